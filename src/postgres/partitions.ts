import { firstOf } from '../core/first-of.ts';
import type { Queryable } from './database.ts';

/**
 * Partitions by time. Call these with the Database, not inside a transaction that also writes rows: they hold a lock
 * until the transaction ends, for which other callers wait. Repeating a call is cheap (no lock when nothing is missing).
 */

const HOUR_MS = 3_600_000;

/** The start of the partition of metrics that holds a bucket, by its granularity; see partition_unit() in the migrations. */
export function metricPartitionStart(granularityMs: number, timeMs: number): number {
  if (granularityMs < 60_000) return timeMs - (timeMs % (6 * HOUR_MS));
  if (granularityMs < HOUR_MS) return timeMs - (timeMs % (24 * HOUR_MS));
  const date = new Date(timeMs);
  return Date.UTC(date.getUTCFullYear(), granularityMs < 24 * HOUR_MS ? date.getUTCMonth() : 0);
}

/** The same for raw results. */
export function resultPartitionStart(timeMs: number): number {
  return timeMs - (timeMs % (4 * HOUR_MS));
}

/** Makes the partitions of metrics for buckets in [fromMs, toMs), at least that of `fromMs`. Returns how many it made. */
export async function ensureMetricPartitions(
  database: Queryable,
  granularity: string,
  fromMs: number,
  toMs: number,
): Promise<number> {
  const sql = 'SELECT ensure_metric_partition($1, $2, $3) AS made';
  const { rows } = await database.query<{ made: number }>(sql, [granularity, new Date(fromMs), new Date(toMs)]);
  return firstOf(rows).made;
}

/** The same for raw results with `at` in [fromMs, toMs). */
export async function ensureResultPartitions(database: Queryable, fromMs: number, toMs: number): Promise<number> {
  const sql = 'SELECT ensure_result_partition($1, $2) AS made';
  const { rows } = await database.query<{ made: number }>(sql, [new Date(fromMs), new Date(toMs)]);
  return firstOf(rows).made;
}

export type Expiry =
  | { table: 'metrics'; granularity: string; beforeMs: number }
  | { table: 'results' | 'stream_records' | 'audit'; beforeMs: number };

/**
 * Drops the partitions that lie wholly before `beforeMs`. One that is being read for long stays for the next call.
 * Returns the names of those dropped.
 */
export async function dropExpiredPartitions(database: Queryable, expiry: Expiry): Promise<string[]> {
  const granularity = expiry.table === 'metrics' ? expiry.granularity : null;
  const { rows } = await database.query<{ dropped: string[] }>(
    'SELECT drop_expired_partitions($1, $2, $3) AS dropped',
    [expiry.table, granularity, new Date(expiry.beforeMs)],
  );
  return firstOf(rows).dropped;
}
