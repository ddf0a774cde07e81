import { counterAggregate } from './counter-aggregate.ts';
import { fieldText } from './field-value.ts';

/** How often each status came, such as {"200": 2470, "404": 679}; only results with a response have one. */
export const counters = counterAggregate({
  name: 'counters',
  fields: ['status'],
  key: fieldText,
  columns: [{ name: 'data', type: 'jsonb', field: 'status' }],
});
