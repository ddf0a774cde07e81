import type { Aggregate } from './aggregate.ts';
import { fieldValue } from './field-value.ts';

/** The sum of whole numbers (microseconds, bytes), exact up to 2^53. */
export const sum: Aggregate<number> = {
  name: 'sum',
  fields: ['response_time', 'bytes'],
  create: () => 0,
  add: (state, columns, row, times, field) => {
    const value = fieldValue(columns, row, field);
    return value < 0 ? state : state + value * times;
  },
  merge: (a, b) => a + b,
  toStored: (state) => state,
  fromStored: (value) => (value as number | null) ?? 0,
};
