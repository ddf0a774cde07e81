import type { Aggregate } from './aggregate.ts';
import { fieldValue } from './field-value.ts';

/** The greatest value; null until there is one. */
export const max: Aggregate<number | null> = {
  name: 'max',
  fields: ['response_time', 'bytes'],
  create: () => null,
  add: (state, columns, row, _times, field) => {
    const value = fieldValue(columns, row, field);
    return value < 0 || (state !== null && state >= value) ? state : value;
  },
  merge: (a, b) => (a === null || b === null ? (a ?? b) : Math.max(a, b)),
  toStored: (state) => state,
  fromStored: (value) => value as number | null,
};
