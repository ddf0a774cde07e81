/** Values that types have in common. */
export const daysLeftValue = {
  unit: 'days',
  description: 'Until the first certificate of the chain expires; negative when one has.',
};
