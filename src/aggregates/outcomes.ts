import { OUTCOMES } from '../messages/check-result.ts';
import type { Aggregate } from './aggregate.ts';
import { type CounterMap, counterMap, increase } from './counter-map.ts';

/** How many results were up, degraded, down and missed. */
export const outcomes: Aggregate<CounterMap> = {
  ...counterMap,
  name: 'outcomes',
  fields: ['outcome'],
  add: (state, columns, row, times) => increase(state, OUTCOMES[columns.outcome[row]], times),
};
