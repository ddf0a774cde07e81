import { REASONS } from '../messages/check-result.ts';
import { NO_REASON } from '../messages/result-columns.ts';
import type { Aggregate } from './aggregate.ts';
import { type CounterMap, counterMap, increase } from './counter-map.ts';

/** Why results were not up, such as {"timeout": 3}. */
export const reasons: Aggregate<CounterMap> = {
  ...counterMap,
  name: 'reasons',
  fields: ['reason'],
  add: (state, columns, row, times) => {
    const reason = columns.reason[row];
    return reason === NO_REASON ? state : increase(state, REASONS[reason], times);
  },
};
