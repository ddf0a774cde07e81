import { counterAggregate } from './counter-aggregate.ts';
import { fieldText } from './field-value.ts';

/** Why results were not up, such as {"timeout": 3}. */
export const reasons = counterAggregate({
  name: 'reasons',
  fields: ['reason'],
  key: fieldText,
  columns: [{ name: 'reasons', type: 'jsonb', field: 'reason' }],
});
