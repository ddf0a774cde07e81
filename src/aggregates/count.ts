import { numberAggregate } from './number-aggregate.ts';

/** How many results there were (`field: result`), or how many of them have the field. */
export const count = numberAggregate({
  name: 'count',
  fields: ['result', 'response_time', 'timings.*', 'bytes', 'values.*'],
  merge: 'sum',
  amount: 'one',
  columns: [
    { name: 'count', field: 'result', isAlwaysKept: true },
    { name: 'rt_count', field: 'response_time' },
  ],
});
