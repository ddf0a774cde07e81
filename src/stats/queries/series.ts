import type { Queryable } from '../../postgres/database.ts';
import type { OutcomeCounts } from '../outcomes.ts';

/** Whether there is a job of an id: `removed` jobs keep their numbers, `none` is an id that only others use. */
export const JOB_PRESENCES = ['current', 'removed', 'none'] as const;
type JobPresence = (typeof JOB_PRESENCES)[number];

/** The owner of numbers, for people. */
export interface NumberedJob {
  jobId: number;
  /** As it is shown; null when there never was a job. */
  name: string | null;
  job: JobPresence;
}

/** One job at one location in one topic, as far as it is counted. Times are ms since the epoch. */
export interface Series extends NumberedJob, OutcomeCounts {
  location: string;
  topic: string;
  /** Never scheduled by Vedette: all its results come from other producers. */
  foreign: boolean;
  /** null when only lines without a slot were counted. */
  lastSlot: number | null;
  lastTs: number | null;
  lastOutcome: string | null;
  lastReason: string | null;
  lastStatus: string | null;
  /** Integer microseconds. */
  lastRtMicros: number | null;
}

export interface SeriesPosition {
  jobId: number;
  location: string;
  topic: string;
}

export interface SeriesFilter {
  jobId?: number | undefined;
  location?: string | undefined;
  foreign?: boolean | undefined;
  /** Only of jobs with one of these tags. */
  within?: readonly string[] | undefined;
}

export interface SeriesQuery extends SeriesFilter {
  limit: number;
  after?: SeriesPosition | undefined;
  maxLookedAt?: number;
}

export interface SeriesPage {
  series: Series[];
  /** The start of the next page; null at the end. A page may be short, or empty, and still have one. */
  next: SeriesPosition | null;
}

const PRESENCE = `CASE WHEN jobs.job_id IS NULL THEN 'none' WHEN jobs.deleted_at IS NULL THEN 'current' ELSE 'removed' END`;
/** A scalar subquery: one look into the index for each row, never a hash of all spans. */
const FOREIGN = `((SELECT true FROM schedule_spans AS span
    WHERE span.job_id = series.job_id AND span.location = series.location LIMIT 1) IS NULL)`;
const KEY = '(series.job_id, series.location, series.topic)';
/** $1 job, $2 location, $3 foreign. */
const FILTER = `($1::integer IS NULL OR series.job_id = $1) AND ($2::text IS NULL OR series.location = $2)
  AND ($3::boolean IS NULL OR ${FOREIGN} = $3)`;
/** Driven by the jobs of these tags, however many other series there are. */
const withinSql = (within: readonly string[] | undefined, place: number) =>
  within === undefined
    ? ''
    : `AND series.job_id IN (SELECT own.job_id FROM jobs AS own WHERE own.definition -> 'tags' ?| $${place}::text[])`;
/** After $4 to $6. */
const AFTER = `($4::integer IS NULL OR ${KEY} > ($4, $5::text, $6::text))`;

/** Limit of the series that are read for one page, however few of them pass the filter. */
const MAX_LOOKED_AT = 10_000;

/** Series by job, location and topic. */
export async function readSeries(database: Queryable, query: SeriesQuery): Promise<SeriesPage> {
  const { limit } = query;
  const end = await readEndOfLook(database, query);
  const { rows } = await database.query<Series>(
    `SELECT series.job_id AS "jobId", jobs.shown_name AS name, ${PRESENCE} AS job, location, topic, ${FOREIGN} AS foreign,
       CASE WHEN slot >= 0 THEN slot END AS "lastSlot", last_ts AS "lastTs", last_outcome AS "lastOutcome", last_reason AS "lastReason",
       last_status AS "lastStatus", last_rt AS "lastRtMicros", count, up, degraded, down, missed
     FROM (
       SELECT * FROM series_progress AS series
       WHERE ${FILTER} AND ${AFTER} AND ($7::integer IS NULL OR ${KEY} <= ($7, $8::text, $9::text))
         ${withinSql(query.within, 11)}
       ORDER BY job_id, location, topic LIMIT $10
     ) AS series
     LEFT JOIN LATERAL (SELECT job_id, deleted_at, shown_name FROM jobs WHERE jobs.job_id = series.job_id LIMIT 1) AS jobs ON true
     ORDER BY series.job_id, location, topic`,
    [...filterOf(query), ...positionOf(query.after), ...positionOf(end), limit + 1, ...given(query.within)],
  );
  const series = rows.slice(0, limit);
  return { series, next: rows.length > limit ? (series.at(-1) ?? null) : end };
}

/** The last series that is read for this page; null without a filter, or at the end. */
async function readEndOfLook(
  database: Queryable,
  { jobId, location, foreign, within, after, maxLookedAt = MAX_LOOKED_AT }: SeriesQuery,
): Promise<SeriesPosition | null> {
  const isFiltered = location !== undefined || foreign !== undefined;
  if (jobId !== undefined || !isFiltered) return null;
  const { rows } = await database.query<SeriesPosition>(
    `SELECT job_id AS "jobId", location, topic FROM series_progress AS series
     WHERE ($1::integer IS NULL OR ${KEY} > ($1, $2::text, $3::text)) ${withinSql(within, 5)}
     ORDER BY job_id, location, topic OFFSET $4 LIMIT 1`,
    [...positionOf(after), maxLookedAt - 1, ...given(within)],
  );
  return rows[0] ?? null;
}

/** How many there are over all pages. */
export async function countSeries(database: Queryable, filter: SeriesFilter): Promise<number> {
  const { rows } = await database.query<{ count: number }>(
    `SELECT count(*)::bigint AS count FROM series_progress AS series WHERE ${FILTER} ${withinSql(filter.within, 4)}`,
    [...filterOf(filter), ...given(filter.within)],
  );
  return rows[0]?.count ?? 0;
}

/** Ids without a job that have, or may have, numbers: those of removed jobs, and those that only other producers use. */
export async function readJoblessIds(database: Queryable, jobIds: readonly number[] | null): Promise<NumberedJob[]> {
  const { rows } = await database.query<NumberedJob>(
    `SELECT given.job_id AS "jobId", jobs.shown_name AS name, ${PRESENCE} AS job
     FROM (SELECT job_id FROM series_progress UNION SELECT job_id FROM jobs WHERE deleted_at IS NOT NULL) AS given
     LEFT JOIN jobs ON jobs.job_id = given.job_id
     WHERE (jobs.job_id IS NULL OR jobs.deleted_at IS NOT NULL) AND ($1::integer[] IS NULL OR given.job_id = ANY($1))
     ORDER BY given.job_id`,
    [jobIds],
  );
  return rows;
}

/** Whether an id has numbers, or had: there is a job, there was one, or results of others were counted under it. */
export async function isKnownId(database: Queryable, jobId: number): Promise<boolean> {
  const { rows } = await database.query<{ known: boolean }>(
    `SELECT EXISTS (SELECT FROM jobs WHERE job_id = $1) OR EXISTS (SELECT FROM series_progress WHERE job_id = $1)
       OR EXISTS (SELECT FROM schedule_spans WHERE job_id = $1) AS known`,
    [jobId],
  );
  return rows[0]?.known === true;
}

const given = (within: readonly string[] | undefined) => (within === undefined ? [] : [within]);
const filterOf = ({ jobId, location, foreign }: SeriesFilter) => [jobId ?? null, location ?? null, foreign ?? null];
const positionOf = (position: SeriesPosition | null | undefined) => [
  position?.jobId ?? null,
  position?.location ?? null,
  position?.topic ?? null,
];
