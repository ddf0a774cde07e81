import { shardOf } from '../../jobs/shard.ts';
import { OUTCOMES } from '../../messages/check-result.ts';
import { readDatabaseClock } from '../../postgres/clock.ts';
import type { Database, Queryable } from '../../postgres/database.ts';
import { ensureResultPartitions } from '../../postgres/partitions.ts';
import type { StreamDriver } from '../../streaming/driver.ts';
import type { ReadLeaseEpochs } from '../counting/bounds.ts';
import { namedStatuses } from '../counting/named-statuses.ts';
import { RESULTS_SLICE_MS, type ResultsStore } from '../counting/raw-results.ts';
import { readEpochFloors } from '../tables/offsets.ts';
import { whileCountingWaits } from '../tables/pause.ts';
import { readLastSlot, repairSeries, type SeriesRepair } from '../tables/repair.ts';
import { type CountedSeries, readSeriesOfJob } from '../tables/series.ts';
import { AHEAD_MS, type Recount, recountSeries } from './recount.ts';

export type { SeriesRepair } from '../tables/repair.ts';

export interface RepairOptions {
  database: Database;
  driver: StreamDriver;
  leaseEpochs: ReadLeaseEpochs;
  jobId: number;
  location?: string | undefined;
  topic?: string | undefined;
  /** Which raw results are stored, and since when they are kept, ms since the epoch. Absent: none are. */
  results?: { store: ResultsStore; keptFromMs: number };
  signal?: AbortSignal;
}

export interface RepairPlan {
  /** Series of the job that were looked at. */
  series: CountedSeries[];
  repairs: SeriesRepair[];
  /** Times beyond were never to be counted, ms since the epoch. */
  latestMs: number;
}

/**
 * Finds the series of a job whose progress no scheduler can have made: an epoch beyond that of the lease, or a time to
 * come. They should be as without the lines that did it: counted again from the stream, where it has them all. Where it
 * has lost its beginning, totals change by what it still has; where it has no other line at all, the series goes on
 * behind the last raw result, or the last minute counted. Writes nothing.
 */
export function planRepair(options: RepairOptions): Promise<RepairPlan> {
  return plan(options, options.database);
}

/** Plans once more and writes it in one transaction, while all counting of these topics waits. Returns what was written. */
export async function applyRepair(options: RepairOptions): Promise<RepairPlan> {
  const { database } = options;
  const topics = new Set((await readSeriesOfJob(database, options)).map(({ topic }) => topic));
  return whileCountingWaits(database, [...topics], async (tx) => {
    const found = await plan(options, tx);
    // Before this transaction touches the table: partitions are made by another connection.
    const slices = found.repairs.flatMap(({ added }) => added.flatMap((rows) => rows.slices));
    for (const startMs of new Set(slices)) {
      await ensureResultPartitions(database, startMs, startMs + RESULTS_SLICE_MS);
    }
    for (const repair of found.repairs) await repairSeries(tx, repair, found.latestMs);
    return found;
  });
}

async function plan(options: RepairOptions, database: Queryable): Promise<RepairPlan> {
  const { driver, leaseEpochs, signal, results = { store: 'none', keptFromMs: 0 } } = options;
  const latestMs = (await readDatabaseClock(database)) + AHEAD_MS;
  const series = await readSeriesOfJob(database, options);
  const epochOf = await leaseEpochs(series.map(({ location }) => location));
  const floors = await readEpochFloors(database);
  const repairs: SeriesRepair[] = [];
  for (const one of series) {
    const { location, jobId } = one;
    const highestEpoch = epochOf(location, jobId);
    const isAhead = one.slot > latestMs || (one.lastTs ?? 0) > latestMs;
    if (one.epoch <= highestEpoch && !isAhead) continue;
    // A series of foreign lines alone has neither.
    if (one.epoch < 0 && one.slot < 0 && !isAhead) continue;
    const recount = await recountSeries({ database, driver, series: one, highestEpoch, latestMs, results, signal });
    const { letters, growth, added, removed, right, isWhole } = recount;
    const first = floors.get(`${location} ${shardOf(jobId)}`);
    const becomes =
      isWhole && (right?.partitions.size ?? 0) <= 1
        ? counted(one, recount, first === undefined ? -1 : first + 1)
        : corrected(one, recount, { highestEpoch, latestMs, lastSlot: await readLastSlot(database, one, latestMs) });
    repairs.push({ series: one, becomes, letters, growth, added, removed });
  }
  return { series, repairs, latestMs };
}

/** The series as the stream has it from its first line on. */
function counted(series: CountedSeries, { right }: Recount, firstEpoch: number): CountedSeries {
  const { jobId, location, topic } = series;
  const statusCounts = { ...right?.statusCounts };
  // A series that has named as many statuses as it may goes on naming those.
  for (const names of namedStatuses([series]).values()) for (const name of names) statusCounts[name] ??= 0;
  const last = right?.last ?? NOTHING;
  const outcomes = right?.outcomes ?? { up: 0, degraded: 0, down: 0, missed: 0 };
  const place = { jobId, location, topic, epoch: right?.epoch ?? firstEpoch, slot: right?.slot ?? -1 };
  // Names never become fewer.
  const { valueNames } = series;
  const maintenance = right?.maintenance ?? NO_MAINTENANCE;
  return { ...place, ...outcomes, ...maintenance, ...last, statusCounts, valueNames, count: right?.count ?? 0 };
}

/** The series as it is, less what the lines did that the stream still has, as far as that can be told. */
function corrected(
  series: CountedSeries,
  { right, counted }: Recount,
  { highestEpoch, latestMs, lastSlot }: { highestEpoch: number; latestMs: number; lastSlot: number },
): CountedSeries {
  const fixed = { ...series, statusCounts: { ...series.statusCounts } };
  const better = (stored: number, is = 0, ought = 0) => Math.max(stored + ought - is, ought, 0);
  for (const outcome of OUTCOMES) {
    fixed[outcome] = better(series[outcome], counted?.outcomes[outcome], right?.outcomes[outcome]);
  }
  for (const column of Object.keys(NO_MAINTENANCE) as Array<keyof typeof NO_MAINTENANCE>) {
    fixed[column] = better(series[column], counted?.maintenance[column], right?.maintenance[column]);
  }
  fixed.count = OUTCOMES.reduce((sum, outcome) => sum + fixed[outcome], 0);
  for (const status of new Set(
    Object.keys({ ...series.statusCounts, ...counted?.statusCounts, ...right?.statusCounts }),
  )) {
    fixed.statusCounts[status] = better(
      series.statusCounts[status] ?? 0,
      counted?.statusCounts[status],
      right?.statusCounts[status],
    );
  }
  fixed.epoch = right && right.epoch >= 0 ? right.epoch : Math.min(series.epoch, highestEpoch);
  fixed.slot = series.slot < 0 ? series.slot : right && right.slot >= 0 ? right.slot : lastSlot;
  if (right?.last) {
    Object.assign(fixed, right.last);
    const isSameRun = !right.sinceIsKnown && series.lastOutcome === right.last.lastOutcome;
    if (isSameRun) fixed.sinceSlot = Math.min(right.last.sinceSlot, series.sinceSlot ?? right.last.sinceSlot);
  } else {
    if ((series.lastTs ?? 0) > latestMs) fixed.lastTs = null;
    if ((series.sinceSlot ?? 0) > latestMs) fixed.sinceSlot = null;
  }
  return fixed;
}

const NO_MAINTENANCE = { maintenanceUp: 0, maintenanceDegraded: 0, maintenanceDown: 0 };

const NOTHING = {
  lastTs: null,
  lastOutcome: null,
  lastReason: null,
  lastStatus: null,
  lastRt: null,
  sinceSlot: null,
};
