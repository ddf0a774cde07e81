import { sumBins } from '../../aggregates/histogram-bytes.ts';
import type { Queryable } from '../../postgres/database.ts';
import { type MaintenanceTally, maintenanceTallySql, type OutcomeCounts, type SlotTally } from '../outcomes.ts';
import type { TimeRange } from '../time-range.ts';
import { isScheduledSql, slotTallySql } from './scheduled.ts';

export interface MetricsQuery extends TimeRange {
  jobId: number;
  /** Granularity of the stored rows that are read: `minute`, `hour`, `day` or another configured one. */
  granularity: string;
  /** Length of the returned buckets in ms, a multiple of the granularity; null for one bucket over the whole range. */
  bucketMs: number | null;
  /** Where the grid of the buckets begins, see `bucketOffset`. */
  bucketOffsetMs: number;
  /** All locations together when absent. */
  location?: string | undefined;
  /** Number of buckets at most. */
  limit: number;
  order: 'asc' | 'desc';
  /** Only buckets after this one (before it when descending): the start of the last bucket already read. */
  afterMs?: number | undefined;
  /** Whether histograms are read; they are the widest column. */
  histogram: boolean;
}

/** The numbers and counters of a bucket, exact. Response times are integer microseconds. */
export interface MetricNumbers extends OutcomeCounts, MaintenanceTally {
  rtCount: number;
  /** null without any response. */
  rtMin: number | null;
  rtMax: number | null;
  rtSum: number;
  /** Status counters such as {"200": 2470}. */
  data: Record<string, number>;
  reasons: Record<string, number>;
}

export interface MetricsBucket extends MetricNumbers, SlotTally {
  fromMs: number;
  /** Bins of the response time, by their index; empty unless asked for. */
  histogram: Record<string, number>;
  /** Values of configured aggregates, one object per stored row that was merged into this bucket. */
  extras: Array<Record<string, unknown>>;
}

export interface MetricsPage {
  buckets: MetricsBucket[];
  /** Whether buckets follow the last one. */
  more: boolean;
}

/** $1 granularity, $2 job, $3 and $4 range, $5 location. */
const SOURCE = `
  FROM metrics
  WHERE granularity = $1 AND job_id = $2 AND dt >= $3::timestamptz AND dt < $4::timestamptz
    AND ($5::text IS NULL OR location = $5)`;

/** $6 length in ms (NULL: one bucket from the start of the range), $7 where the grid begins. */
const BUCKET = `
  CASE WHEN $6::bigint IS NULL THEN (extract(epoch FROM $3::timestamptz) * 1000)::bigint
  ELSE floor(((extract(epoch FROM dt) * 1000)::bigint - $7::bigint)::numeric / $6::bigint)::bigint * $6::bigint + $7::bigint
  END`;

const counters = (column: string) => `
  SELECT bucket, jsonb_object_agg(key, total) AS ${column}
  FROM (
    SELECT bucket, key, sum(value::bigint)::bigint AS total
    FROM source, jsonb_each_text(${column}) GROUP BY bucket, key
  ) AS summed
  GROUP BY bucket`;

const pageSql = (histogram: boolean) => `
  WITH source AS MATERIALIZED (
    SELECT ${BUCKET} AS bucket, count, up, degraded, down, missed,
      maintenance_up, maintenance_degraded, maintenance_down, rt_count, rt_min, rt_max, rt_sum, data, reasons,
      ${histogram ? 'rt_hist' : "''::bytea AS rt_hist"}, extra,
      ${isScheduledSql({ jobs: 'job_id = $2', from: '$3', to: '$4' })} AS is_scheduled
    ${SOURCE}
  ), totals AS (
    SELECT bucket, sum(count)::bigint AS count, sum(up)::bigint AS up, sum(degraded)::bigint AS degraded,
      sum(down)::bigint AS down, sum(missed)::bigint AS missed, ${slotTallySql}, ${maintenanceTallySql},
      sum(rt_count)::bigint AS rt_count,
      min(rt_min) AS rt_min, max(rt_max) AS rt_max, sum(rt_sum)::bigint AS rt_sum,
      array_agg(rt_hist) FILTER (WHERE rt_hist <> '') AS rt_hist, jsonb_agg(extra) FILTER (WHERE extra <> '{}') AS extras
    FROM source GROUP BY bucket
  )
  SELECT bucket AS "fromMs", count, up, degraded, down, missed, "slotsKnown", "slotsMissed",
    "maintenanceUp", "maintenanceDegraded", "maintenanceDown", rt_count AS "rtCount", rt_min AS "rtMin",
    rt_max AS "rtMax", rt_sum AS "rtSum", coalesce(data, '{}') AS data, coalesce(reasons, '{}') AS reasons,
    coalesce(rt_hist, '{}') AS histograms, coalesce(extras, '[]') AS extras
  FROM totals
  LEFT JOIN (${counters('data')}) AS d USING (bucket)
  LEFT JOIN (${counters('reasons')}) AS r USING (bucket)
  ORDER BY bucket`;

/**
 * The metrics of one job, merged to the wanted buckets: counters and histograms by addition, min and max by LEAST and
 * GREATEST, so that a coarser bucket is exact. Buckets without rows are left out.
 */
export async function readMetrics(database: Queryable, query: MetricsQuery): Promise<MetricsPage> {
  const range = remaining(query);
  if (range.toMs <= range.fromMs) return { buckets: [], more: false };
  const page = await readPageBounds(database, query, range);
  if (!page) return { buckets: [], more: false };
  const { rows } = await database.query<Omit<MetricsBucket, 'histogram'> & { histograms: Buffer[] }>(
    pageSql(query.histogram),
    parameters(query, { fromMs: Math.max(page.fromMs, query.fromMs), toMs: Math.min(page.toMs, query.toMs) }),
  );
  if (query.order === 'desc') rows.reverse();
  const buckets = rows.map(({ histograms, ...bucket }) => ({ ...bucket, histogram: sumBins(histograms) }));
  return { buckets, more: page.more };
}

function parameters(query: MetricsQuery, range: TimeRange): unknown[] {
  const { bucketMs } = query;
  return [
    query.granularity,
    query.jobId,
    new Date(range.fromMs).toISOString(),
    new Date(range.toMs).toISOString(),
    query.location ?? null,
    bucketMs,
    query.bucketOffsetMs,
  ];
}

function remaining(query: MetricsQuery): TimeRange {
  const { fromMs, toMs, afterMs, bucketMs } = query;
  if (afterMs === undefined) return { fromMs, toMs };
  if (bucketMs === null) return { fromMs: toMs, toMs };
  return query.order === 'asc'
    ? { fromMs: Math.max(fromMs, afterMs + bucketMs), toMs }
    : { fromMs, toMs: Math.min(toMs, afterMs) };
}

/** Finds the range of the next `limit` buckets, before any wide column is read. */
async function readPageBounds(
  database: Queryable,
  query: MetricsQuery,
  range: TimeRange,
): Promise<(TimeRange & { more: boolean }) | null> {
  if (query.bucketMs === null) return { ...range, more: false };
  const direction = query.order === 'asc' ? 'ASC' : 'DESC';
  const { rows } = await database.query<{ bucket: number }>(
    `SELECT DISTINCT ${BUCKET} AS bucket ${SOURCE} ORDER BY bucket ${direction} LIMIT $8`,
    [...parameters(query, range), query.limit + 1],
  );
  const page = rows.slice(0, query.limit).map((row) => row.bucket);
  if (page.length === 0) return null;
  return {
    fromMs: Math.min(...page),
    toMs: Math.max(...page) + query.bucketMs,
    more: rows.length > query.limit,
  };
}

/** One hour (or other bucket) of one job on an overview: enough for a strip of states. */
export interface OverviewBucket extends OutcomeCounts, SlotTally, MaintenanceTally {
  jobId: number;
  fromMs: number;
  rtCount: number;
  rtSum: number;
}

/** Narrow rows of several jobs at once, all locations together, oldest first. */
export async function readOverview(
  database: Queryable,
  query: TimeRange & { jobIds: readonly number[]; granularity: string },
): Promise<OverviewBucket[]> {
  const { rows } = await database.query<OverviewBucket>(
    `SELECT job_id AS "jobId", (extract(epoch FROM dt) * 1000)::bigint AS "fromMs", sum(count)::bigint AS count,
       sum(up)::bigint AS up, sum(degraded)::bigint AS degraded, sum(down)::bigint AS down,
       sum(missed)::bigint AS missed, ${slotTallySql}, ${maintenanceTallySql},
       sum(rt_count)::bigint AS "rtCount", sum(rt_sum)::bigint AS "rtSum"
     FROM (
       SELECT *, ${isScheduledSql({ jobs: 'job_id = ANY($2::integer[])', from: '$3', to: '$4' })} AS is_scheduled
       FROM metrics
       WHERE granularity = $1 AND job_id = ANY($2::integer[]) AND dt >= $3::timestamptz AND dt < $4::timestamptz
     ) AS counted
     GROUP BY job_id, dt ORDER BY job_id, dt`,
    [query.granularity, query.jobIds, new Date(query.fromMs).toISOString(), new Date(query.toMs).toISOString()],
  );
  return rows;
}
