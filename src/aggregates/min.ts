import type { Aggregate } from './aggregate.ts';
import { fieldValue } from './field-value.ts';

/** The least value; null until there is one. A result without response changes nothing. */
export const min: Aggregate<number | null> = {
  name: 'min',
  fields: ['response_time', 'bytes'],
  create: () => null,
  add: (state, columns, row, _times, field) => {
    const value = fieldValue(columns, row, field);
    return value < 0 || (state !== null && state <= value) ? state : value;
  },
  merge: (a, b) => (a === null || b === null ? (a ?? b) : Math.min(a, b)),
  toStored: (state) => state,
  fromStored: (value) => value as number | null,
};
