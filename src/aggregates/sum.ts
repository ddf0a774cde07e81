import { numberAggregate } from './number-aggregate.ts';

/** The sum of whole numbers (microseconds, bytes, millionths of values), exact. */
export const sum = numberAggregate({
  name: 'sum',
  fields: ['response_time', 'timings.*', 'bytes', 'values.*'],
  merge: 'sum',
  amount: 'value',
  columns: [{ name: 'rt_sum', field: 'response_time' }],
});
