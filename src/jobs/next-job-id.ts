import type { Queryable } from '../postgres/database.ts';
import { FIRST_DERIVED_ID } from './derived-id.ts';

const IDS_AT_ONCE = 1_000;

/**
 * Ids of removed jobs and of those before a reset are not reused: their history, or their results, may still exist.
 * Neither are ids of counted foreign results. Ids derived from names leave no room above.
 */
export async function nextJobId(tx: Queryable): Promise<number> {
  const { rows } = await tx.query<{ last: number }>(
    `SELECT greatest(last_job_id, (SELECT max(job_id) FROM jobs WHERE job_id < $1)) AS last FROM installation`,
    [FIRST_DERIVED_ID],
  );
  for (let first = (rows[0]?.last ?? 0) + 1; ; first += IDS_AT_ONCE) {
    const free = await tx.query<{ job_id: number }>(
      `SELECT job_id FROM generate_series($1::int, $1::int + $2::int - 1) AS job_id
       WHERE NOT EXISTS (SELECT FROM series_progress WHERE series_progress.job_id = job_id.job_id)
       ORDER BY job_id LIMIT 1`,
      [first, IDS_AT_ONCE],
    );
    const [row] = free.rows;
    if (row) return row.job_id;
  }
}
