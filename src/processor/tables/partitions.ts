import { elementAt } from '../../core/element-at.ts';
import type { Database } from '../../postgres/database.ts';
import { ensureMetricPartitions, ensureResultPartitions, metricPartitionStart } from '../../postgres/partitions.ts';
import { RESULTS_SLICE_MS } from '../counting/raw-results.ts';
import type { Delta } from '../writing/delta.ts';

/** The part of a delta that says which partitions its rows are in. */
interface PartitionNeeds extends Pick<Delta, 'metrics'> {
  results: Pick<Delta['results'], 'slices'>;
}

const MAX_KNOWN = 20_000;

/** Sees to it that the partitions of metrics and results that deltas need are there, asking PostgreSQL once for each. */
export class TablePartitions {
  readonly #database: Database;
  /** Partitions that were seen to, as `granularity start`. */
  readonly #known = new Set<string>();

  constructor(database: Database) {
    this.#database = database;
  }

  /** `again`: retention may have dropped what was there before. */
  async prepare(deltas: readonly PartitionNeeds[], again: boolean): Promise<void> {
    if (again || this.#known.size > MAX_KNOWN) this.#known.clear();
    for (const { metrics, results } of deltas) {
      const { plans, length, level, bucketMs } = metrics.arrays;
      const last = plans.map(() => -1);
      for (let row = 0; row < length; row++) {
        const at = level[row] as number;
        const bucket = bucketMs[row] as number;
        if (bucket === last[at]) continue;
        last[at] = bucket;
        const { name, durationMs } = elementAt(plans, at);
        const startMs = metricPartitionStart(durationMs, bucket);
        const key = `${name} ${startMs}`;
        if (this.#known.has(key)) continue;
        // Exactly one: a line must not make tables of times it says nothing about.
        await ensureMetricPartitions(this.#database, name, startMs, startMs + 1);
        this.#known.add(key);
      }
      for (const startMs of results.slices) {
        const key = `results ${startMs}`;
        if (this.#known.has(key)) continue;
        await ensureResultPartitions(this.#database, startMs, startMs + RESULTS_SLICE_MS);
        this.#known.add(key);
      }
    }
  }
}
