import type { Queryable } from '../../postgres/database.ts';

/** Those of the jobs that have one of the tags, removed ones included: their numbers stay readable. */
export async function readJobsWithin(
  database: Queryable,
  jobIds: readonly number[],
  tags: readonly string[],
): Promise<ReadonlySet<number>> {
  const { rows } = await database.query<{ jobId: number }>(
    `SELECT job_id AS "jobId" FROM jobs WHERE job_id = ANY ($1) AND definition -> 'tags' ?| $2::text[]`,
    [jobIds, tags],
  );
  return new Set(rows.map(({ jobId }) => jobId));
}
