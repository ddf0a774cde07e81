import { OUTCOMES } from '../messages/check-result.ts';
import { counterAggregate } from './counter-aggregate.ts';
import { fieldText } from './field-value.ts';

/** How many results were up, degraded, down and missed. Always kept: coverage needs them. */
export const outcomes = counterAggregate({
  name: 'outcomes',
  fields: ['outcome'],
  key: fieldText,
  columns: OUTCOMES.map((name, outcome) => ({
    type: 'bigint',
    name,
    field: 'outcome',
    merge: 'sum',
    amount: (columns, row) => (columns.outcome[row] === outcome ? 1 : -1),
    isAlwaysKept: true,
  })),
});
