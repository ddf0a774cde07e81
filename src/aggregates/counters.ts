import { NO_STATUS } from '../messages/result-columns.ts';
import type { Aggregate } from './aggregate.ts';
import { type CounterMap, counterMap, increase } from './counter-map.ts';

/** How often each status came, such as {"200": 2470, "404": 679}; only results with a response have one. */
export const counters: Aggregate<CounterMap> = {
  ...counterMap,
  name: 'counters',
  fields: ['status'],
  add: (state, columns, row, times) => {
    const status = columns.status[row];
    return status === NO_STATUS ? state : increase(state, columns.statuses[status], times);
  },
};
