import { numberAggregate } from './number-aggregate.ts';

/** The least value; null until there is one. A result without response changes nothing. */
export const min = numberAggregate({
  name: 'min',
  fields: ['response_time', 'timings.*', 'bytes', 'values.*'],
  merge: 'least',
  amount: 'value',
  columns: [{ name: 'rt_min', field: 'response_time' }],
});
