import { percentile } from '../aggregates/histogram.ts';
import { aggregates } from '../aggregates/index.ts';

/** Integer microseconds at a rank (0 < rank <= 100) of merged bins, by nearest rank; null when there are none. */
export function percentileOf(histogram: Readonly<Record<string, number>>, rank: number): number | null {
  return percentile(histogram, rank);
}

type Stored = number | Record<string, number> | null;

/**
 * Merges configured aggregates of several stored rows, each by its own rule. Their keys are `<function>_<field>`; one
 * whose function this program does not know (any more) is left out when it would have to be merged.
 */
export function mergeExtras(rows: ReadonlyArray<Readonly<Record<string, unknown>>>): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...rows[0] };
  for (const row of rows.slice(1)) {
    for (const [key, value] of Object.entries(row)) {
      merged[key] = Object.hasOwn(merged, key) ? mergeStored(key, merged[key] as Stored, value as Stored) : value;
    }
  }
  for (const [key, value] of Object.entries(merged)) if (value === undefined) delete merged[key];
  return merged;
}

function mergeStored(key: string, a: Stored, b: Stored): Stored | undefined {
  const aggregate = aggregates.all().find(({ name }) => key.startsWith(`${name}_`));
  return aggregate?.toStored(aggregate.merge(aggregate.fromStored(a), aggregate.fromStored(b)));
}
