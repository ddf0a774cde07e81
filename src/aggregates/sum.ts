import { numberAggregate } from './number-aggregate.ts';

/** The sum of whole numbers (microseconds, bytes), exact up to 2^53. */
export const sum = numberAggregate({
  name: 'sum',
  fields: ['response_time', 'bytes'],
  merge: 'sum',
  amount: 'value',
  columns: [{ name: 'rt_sum', field: 'response_time' }],
});
