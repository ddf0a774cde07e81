import type { Aggregate } from './aggregate.ts';
import { fieldValue } from './field-value.ts';

/** How many results there were (`field: result`), or how many of them had a response time or bytes. */
export const count: Aggregate<number> = {
  name: 'count',
  fields: ['result', 'response_time', 'bytes'],
  create: () => 0,
  add: (state, columns, row, times, field) =>
    field === 'result' || fieldValue(columns, row, field) >= 0 ? state + times : state,
  merge: (a, b) => a + b,
  toStored: (state) => state,
  fromStored: (value) => (value as number | null) ?? 0,
};
