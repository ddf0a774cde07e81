import type { AggregateField, ShownValue, StoredValue } from '../aggregates/aggregate.ts';
import { aggregates } from '../aggregates/index.ts';

/**
 * Merges configured aggregates of several stored rows, each by its own rule, into the values to show. Their keys are
 * `<function>_<field>`; values of one row are shown as stored when this program does not know the function (any more),
 * and left out when they would have to be merged.
 */
export function mergeExtras(
  rows: ReadonlyArray<Readonly<Record<string, unknown>>>,
  ranks: readonly number[] = [],
): Record<string, unknown> {
  const values = new Map<string, StoredValue[]>();
  for (const row of rows) {
    for (const [key, value] of Object.entries(row)) {
      const known = values.get(key);
      if (known) known.push(value as StoredValue);
      else values.set(key, [value as StoredValue]);
    }
  }
  const merged = [...values].map(([key, stored]) => [key, shown(key, stored, ranks)] as const);
  return Object.fromEntries(merged.filter(([, value]) => value !== undefined));
}

function shown(key: string, stored: readonly StoredValue[], ranks: readonly number[]): ShownValue | undefined {
  const aggregate = aggregates.all().find(({ name }) => key.startsWith(`${name}_`));
  if (!aggregate) return stored.length === 1 ? stored[0] : undefined;
  const state = stored.map((value) => aggregate.fromStored(value)).reduce((a, b) => aggregate.merge(a, b));
  const field = key.slice(aggregate.name.length + 1) as AggregateField;
  return aggregate.toShown ? aggregate.toShown(state, field, ranks) : aggregate.toStored(state);
}
