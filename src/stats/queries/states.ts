import type { Queryable } from '../../postgres/database.ts';
import { type MaintenanceTally, NO_MAINTENANCE, type OutcomeCounts } from '../outcomes.ts';
import { nextSlotOf, readOpenSpans } from './spans.ts';

/** The last counted result of a series. */
export interface LastResult {
  location: string;
  /** ms since the epoch; slot and since are null when only foreign lines were counted. */
  slot: number | null;
  ts: number | null;
  outcome: string;
  reason: string | null;
  status: string | null;
  /** Integer microseconds. */
  rtMicros: number | null;
  /** The slot at which the outcome began. */
  sinceSlot: number | null;
  /** Of the raw result; null where it is not kept. */
  detail: string | null;
}

export interface JobState {
  jobId: number;
  /** The newest over all locations; null before the first. */
  last: LastResult | null;
  /** The newest of each location, by name. */
  locations: LastResult[];
  /** Since the job exists, over all locations. */
  counts: OutcomeCounts & MaintenanceTally;
  /** Status codes and how often each came. */
  codes: Record<string, number>;
  /** The next slot by the open spans, ms since the epoch; null when it does not run or follows a cron expression. */
  nextSlot: number | null;
  /** Whether a scheduler owns the job now: an open span exists. */
  scheduled: boolean;
}

/** One row of series_progress as totals, for Prometheus. */
export interface SeriesTotals extends OutcomeCounts {
  jobId: number;
  location: string;
  codes: Record<string, number>;
}

/** Totals over all series, and how many there are. */
export interface FleetTotals extends OutcomeCounts {
  series: number;
}

interface SeriesRow extends SeriesTotals, MaintenanceTally {
  slot: number;
  lastTs: number | null;
  lastOutcome: string | null;
  lastReason: string | null;
  lastStatus: string | null;
  lastRt: number | null;
  sinceSlot: number | null;
  lastDetail: string | null;
}

const EMPTY_COUNTS: Readonly<OutcomeCounts> = { count: 0, up: 0, degraded: 0, down: 0, missed: 0 };

/** The states of the given jobs; a job that never ran is there with empty numbers. */
export async function readJobStates(
  database: Queryable,
  jobIds: readonly number[],
  nowMs: number,
): Promise<Map<number, JobState>> {
  const states = new Map<number, JobState>();
  for (const jobId of jobIds) states.set(jobId, emptyState(jobId));
  if (jobIds.length === 0) return states;
  const [{ rows }, spans] = await Promise.all([
    database.query<SeriesRow>(
      `SELECT job_id AS "jobId", location, slot, last_ts AS "lastTs", last_outcome AS "lastOutcome",
         last_reason AS "lastReason", last_status AS "lastStatus", last_rt AS "lastRt", since_slot AS "sinceSlot",
         count, up, degraded, down, missed, maintenance_up AS "maintenanceUp",
         maintenance_degraded AS "maintenanceDegraded", maintenance_down AS "maintenanceDown", codes, (
           SELECT r.detail FROM results AS r
           WHERE series.slot >= 0 AND series.last_outcome <> 'up' AND r.outcome = series.last_outcome AND r.job_id = series.job_id
             AND r.at = to_timestamp(series.slot / 1e3::double precision) AND r.location = series.location
             AND r.slot = series.slot AND r.topic = series.topic LIMIT 1
         ) AS "lastDetail"
       FROM series_progress AS series WHERE job_id = ANY($1::integer[]) ORDER BY job_id, location, topic`,
      [jobIds],
    ),
    readOpenSpans(database, jobIds),
  ]);
  for (const row of rows) addSeries(states.get(row.jobId) as JobState, row);
  for (const span of spans) {
    const state = states.get(span.jobId) as JobState;
    state.scheduled = true;
    const next = nextSlotOf(span, nowMs);
    if (next !== null) state.nextSlot = Math.min(state.nextSlot ?? next, next);
  }
  return states;
}

function emptyState(jobId: number): JobState {
  const counts = { ...EMPTY_COUNTS, ...NO_MAINTENANCE };
  return { jobId, last: null, locations: [], counts, codes: {}, nextSlot: null, scheduled: false };
}

const COUNTED = [
  ...(['count', 'up', 'degraded', 'down', 'missed'] as const),
  ...(['maintenanceUp', 'maintenanceDegraded', 'maintenanceDown'] as const),
];

function addSeries(state: JobState, row: SeriesRow): void {
  for (const key of COUNTED) state.counts[key] += row[key];
  for (const [code, count] of Object.entries(row.codes)) state.codes[code] = (state.codes[code] ?? 0) + count;
  if (row.lastOutcome === null) return;
  const result: LastResult = {
    location: row.location,
    slot: row.slot < 0 ? null : row.slot,
    ts: row.lastTs,
    outcome: row.lastOutcome,
    reason: row.lastReason,
    status: row.lastStatus,
    rtMicros: row.lastRt,
    sinceSlot: row.sinceSlot,
    detail: row.lastDetail,
  };
  // A job that changed its topic has a row for each topic; the newest one counts for the location.
  const known = state.locations.findIndex((other) => other.location === row.location);
  if (known === -1) state.locations.push(result);
  else if (isNewer(result, state.locations[known])) state.locations[known] = result;
  if (isNewer(result, state.last)) state.last = result;
}

function isNewer(result: LastResult, than: LastResult | null | undefined): boolean {
  return !than || (result.ts ?? result.slot ?? 0) > (than.ts ?? than.slot ?? 0);
}

/** Totals per series of at most `limit` series, by job and location. */
export async function readSeriesTotals(database: Queryable, limit: number): Promise<SeriesTotals[]> {
  const { rows } = await database.query<SeriesTotals>(
    `SELECT job_id AS "jobId", location, count, up, degraded, down, missed, codes
     FROM series_progress ORDER BY job_id, location, topic LIMIT $1`,
    [limit],
  );
  return rows;
}

export async function readFleetTotals(database: Queryable): Promise<FleetTotals> {
  const { rows } = await database.query<FleetTotals>(
    `SELECT count(*)::bigint AS series, coalesce(sum(count), 0)::bigint AS count, coalesce(sum(up), 0)::bigint AS up,
       coalesce(sum(degraded), 0)::bigint AS degraded, coalesce(sum(down), 0)::bigint AS down,
       coalesce(sum(missed), 0)::bigint AS missed
     FROM series_progress`,
  );
  return rows[0] ?? { series: 0, ...EMPTY_COUNTS };
}
