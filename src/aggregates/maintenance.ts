import { OUTCOMES } from '../messages/check-result.ts';
import type { Column } from './aggregate.ts';
import { counterAggregate } from './counter-aggregate.ts';
import { fieldText } from './field-value.ts';

/**
 * How many results that say something about the target came in maintenance: uptime is without them. Always kept. A missed
 * slot is not among them.
 */
export const maintenance = counterAggregate({
  name: 'maintenance',
  fields: ['maintenance'],
  key: fieldText,
  columns: OUTCOMES.flatMap((name, outcome): Column[] =>
    name === 'missed'
      ? []
      : [
          {
            type: 'bigint',
            name: `maintenance_${name}`,
            field: 'maintenance',
            merge: 'sum',
            amount: (columns, row) => (columns.maintenance[row] === 1 && columns.outcome[row] === outcome ? 1 : -1),
            isAlwaysKept: true,
          },
        ],
  ),
});
