import type { Database } from '../storage/database.ts';
import { ensureMetricPartitions, ensureResultPartitions } from '../storage/partitions.ts';
import type { Delta } from './delta.ts';
import { RESULTS_STRETCH_MS } from './raw-results.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MAX_KNOWN = 20_000;

/** Sees to it that the partitions of metrics and results that deltas need are there, asking PostgreSQL once for each. */
export class TablePartitions {
  readonly #database: Database;
  /** Stretches that were seen to, as `granularity start`. */
  readonly #known = new Set<string>();

  constructor(database: Database) {
    this.#database = database;
  }

  /** `again`: retention may have dropped what was there before. */
  async prepare(deltas: ReadonlyArray<Pick<Delta, 'metrics' | 'results'>>, again: boolean): Promise<void> {
    if (again || this.#known.size > MAX_KNOWN) this.#known.clear();
    for (const { metrics, results } of deltas) {
      const { plans, length, level, bucketMs } = metrics.arrays;
      const stretches = plans.map(({ durationMs }) => (durationMs < HOUR_MS ? DAY_MS : 28 * DAY_MS));
      const last = plans.map(() => -1);
      for (let row = 0; row < length; row++) {
        const at = level[row];
        const startMs = bucketMs[row] - (bucketMs[row] % stretches[at]);
        if (startMs === last[at]) continue;
        last[at] = startMs;
        const { name } = plans[at];
        const key = `${name} ${startMs}`;
        if (this.#known.has(key)) continue;
        await ensureMetricPartitions(this.#database, name, startMs, startMs + stretches[at]);
        this.#known.add(key);
      }
      for (const startMs of results.stretches) {
        const key = `results ${startMs}`;
        if (this.#known.has(key)) continue;
        await ensureResultPartitions(this.#database, startMs, startMs + RESULTS_STRETCH_MS);
        this.#known.add(key);
      }
    }
  }
}
