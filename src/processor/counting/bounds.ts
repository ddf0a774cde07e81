import type { GranularityPlan } from '../../aggregates/metrics-plan.ts';
import type { Clock } from '../../core/clock.ts';
import { locationOf, type ResultColumns } from '../../messages/result-columns.ts';
import { readDatabaseClock } from '../../postgres/clock.ts';
import type { Database } from '../../postgres/database.ts';
import { metricPartitionStart, resultPartitionStart } from '../../postgres/partitions.ts';
import { MAX_LOCATIONS } from '../series/locations.ts';
import type { DeadLetterKind } from '../tables/dead-letters.ts';

/** The highest epoch that a scheduler was given for a job at a location; -1: none was. */
export type LeaseEpochs = (location: string, jobId: number) => number;

/** Reads the epochs of the leases of these locations. */
export type ReadLeaseEpochs = (locations: readonly string[]) => Promise<LeaseEpochs>;

/** How long rows are kept, in ms; null: for ever. */
export interface KeptFor {
  /** By granularity; one that is not mentioned is kept for ever. */
  metrics: Readonly<Record<string, number | null>>;
  results: number | null;
}

/** Why a line does not count, although it can be read. */
export interface Refusal {
  kind: DeadLetterKind;
  error: string;
  /** Where its lease is to be looked up again. */
  location: string;
}

export interface BoundsOptions {
  database: Database;
  clock: Clock;
  plans: readonly GranularityPlan[];
  keptFor: KeptFor;
  /** Absent: epochs are believed, for streams without a scheduler of this installation. */
  leaseEpochs?: ReadLeaseEpochs | undefined;
}

/** How far slots and starts may lie ahead of the database's clock. */
const AHEAD_MS = 60_000;
/** The floors of retention are computed again after this time. */
const STALE_MS = 60_000;
const MAX_CACHED = 1_000;

/**
 * Bounds of a line that depend on more than its bytes: of times by the database's clock, of epochs by the leases. Lines
 * within the bounds that were read last are accepted; before a line is refused they are read again.
 */
export class Bounds {
  /** Slots and starts up to here are accepted without another look at the clock. */
  latestMs = Number.NEGATIVE_INFINITY;
  /** Raised when the floors change. */
  version = 0;
  /** Per plan, shortest first: buckets that begin before are not kept. */
  floorsMs: readonly number[];
  resultsFloorMs = Number.NEGATIVE_INFINITY;
  readonly #options: BoundsOptions;
  #readAtMs = Number.NEGATIVE_INFINITY;
  readonly #epochs = new Map<string, LeaseEpochs>();

  constructor(options: BoundsOptions) {
    this.#options = options;
    this.floorsMs = options.plans.map(() => Number.NEGATIVE_INFINITY);
  }

  get isStale(): boolean {
    return this.#options.clock.monotonicMs() - this.#readAtMs > STALE_MS;
  }

  /** Reads the clock, and the leases of these locations. */
  async read(locations: Iterable<string>): Promise<void> {
    const { database, clock, plans, keptFor, leaseEpochs } = this.#options;
    const wanted = [...new Set(locations)];
    const epochs = leaseEpochs && wanted.length > 0 ? await leaseEpochs(wanted) : null;
    if (this.#epochs.size > MAX_CACHED) this.#epochs.clear();
    if (epochs) for (const location of wanted) this.#epochs.set(location, epochs);
    const nowMs = await readDatabaseClock(database);
    this.#readAtMs = clock.monotonicMs();
    this.latestMs = nowMs + AHEAD_MS;
    const sorted = [...plans].sort((a, b) => a.durationMs - b.durationMs);
    this.floorsMs = sorted.map(({ name, durationMs }) => {
      const keepMs = keptFor.metrics[name] ?? null;
      return keepMs === null ? Number.NEGATIVE_INFINITY : metricPartitionStart(durationMs, nowMs - keepMs);
    });
    const { results } = keptFor;
    this.resultsFloorMs = results === null ? Number.NEGATIVE_INFINITY : resultPartitionStart(nowMs - results);
    this.version++;
  }

  /** Which of the rows in doubt do not count, by what was read last. `isSurplus`: of a location too many for its job. */
  refusals(
    columns: ResultColumns,
    doubts: readonly number[],
    isSurplus: (row: number) => boolean,
  ): Map<number, Refusal> {
    const refusals = new Map<number, Refusal>();
    for (const row of doubts) {
      const refusal = this.#tooLate(columns, row) ?? this.#tooHigh(columns, row);
      if (refusal) refusals.set(row, refusal);
      else if (isSurplus(row)) refusals.set(row, tooMany(columns, row));
    }
    return refusals;
  }

  #tooLate(columns: ResultColumns, row: number): Refusal | null {
    for (const [name, ms] of [
      ['slot', columns.slot[row] as number],
      ['ts', columns.ts[row] as number],
    ] as const) {
      if (ms <= this.latestMs) continue;
      const error = `${name}: given ${ms}, accepted: at most ${AHEAD_MS} ms ahead of PostgreSQL's clock, which is at ${this.latestMs - AHEAD_MS}`;
      return { kind: 'future', error, location: locationOf(columns, row) };
    }
    return null;
  }

  #tooHigh(columns: ResultColumns, row: number): Refusal | null {
    const epoch = columns.epoch[row] as number;
    if (epoch < 0 || !this.#options.leaseEpochs) return null;
    const location = locationOf(columns, row);
    const highest = this.#epochs.get(location)?.(location, columns.jobId[row] as number) ?? -1;
    if (epoch <= highest) return null;
    const accepted = highest < 0 ? 'none, no scheduler was ever at this location' : `at most ${highest}`;
    const error = `epoch: given ${epoch}, accepted: ${accepted}, by the lease of the job's shard`;
    return { kind: 'epoch', error, location };
  }
}

function tooMany(columns: ResultColumns, row: number): Refusal {
  const error = `location: job ${columns.jobId[row] as number} has results of ${MAX_LOCATIONS} other locations already, accepted: no more`;
  return { kind: 'locations', error, location: locationOf(columns, row) };
}
