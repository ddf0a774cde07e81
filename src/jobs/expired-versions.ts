import { firstOf } from '../core/first-of.ts';
import type { Queryable } from '../postgres/database.ts';
import { metricPartitionStart } from '../postgres/partitions.ts';

/** A version that was replaced more recently than this may still be started by a scheduler. */
const GRACE_MS = 3_600_000;
/** Versions of one job that never ran and are kept, besides the current one. */
const MAX_UNUSED_VERSIONS = 50;

const DAY_MS = 86_400_000;

/**
 * Deletes spans of whose time no row is kept, and versions of jobs without a span. `keepMs`: the longest retention of
 * any row; null: for ever, then spans stay. Rows are dropped by whole partitions of up to a year. Returns how many were
 * deleted.
 */
export async function expireVersions(
  database: Queryable,
  nowMs: number,
  keepMs: number | null,
): Promise<{ spans: number; versions: number }> {
  const beforeMs = keepMs === null ? null : metricPartitionStart(DAY_MS, nowMs - keepMs);
  const expired =
    beforeMs === null ? null : await database.query<{ gone: number }>('SELECT expire_spans($1) AS gone', [beforeMs]);
  const spans = expired === null ? 0 : firstOf(expired.rows).gone;
  const { rows } = await database.query<{ gone: number }>(
    'SELECT expire_job_versions(NULL, now() - make_interval(secs => $1), $2) AS gone',
    [GRACE_MS / 1000, MAX_UNUSED_VERSIONS],
  );
  return { spans, versions: firstOf(rows).gone };
}

/** Bounds the versions that never ran, of the jobs of this revision. Called with each change of jobs. */
export async function boundVersions(database: Queryable, revision: number): Promise<void> {
  await database.query(
    `SELECT expire_job_versions(ids, '-infinity', $2)
     FROM (SELECT array_agg(job_id) AS ids FROM jobs WHERE revision = $1 AND version % $2 = 0) AS edited
     WHERE ids IS NOT NULL`,
    [revision, MAX_UNUSED_VERSIONS],
  );
}
