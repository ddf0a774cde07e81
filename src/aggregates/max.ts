import { numberAggregate } from './number-aggregate.ts';

/** The greatest value; null until there is one. */
export const max = numberAggregate({
  name: 'max',
  fields: ['response_time', 'timings.*', 'bytes', 'values.*'],
  merge: 'greatest',
  amount: 'value',
  columns: [{ name: 'rt_max', field: 'response_time' }],
});
