import type { Queryable } from '../postgres/database.ts';

/** The monitor type whose jobs have tokens. */
const TYPE = 'push';
/** 122 random bits. */
const NEW_TOKEN = "replace(gen_random_uuid()::text, '-', '')";

/**
 * Brings the tokens into line with the jobs that a revision changed: a push job gets one and keeps it, a job that is removed
 * or has become of another type loses it.
 */
export async function keepPushTokens(tx: Queryable, revision: number): Promise<void> {
  await tx.query(
    `DELETE FROM push_tokens USING jobs
     WHERE jobs.revision = $1 AND jobs.job_id = push_tokens.job_id
       AND (deleted_at IS NOT NULL OR definition ->> 'type' IS DISTINCT FROM $2)`,
    [revision, TYPE],
  );
  await tx.query(
    `INSERT INTO push_tokens (job_id, token)
     SELECT job_id, ${NEW_TOKEN} FROM jobs
     WHERE revision = $1 AND deleted_at IS NULL AND definition ->> 'type' = $2
     ORDER BY job_id ON CONFLICT (job_id) DO NOTHING`,
    [revision, TYPE],
  );
}

/** Gives a job a new token in place of the one it has, and returns it; null if it has none. */
export async function renewPushToken(tx: Queryable, jobId: number): Promise<string | null> {
  const { rows } = await tx.query<{ token: string }>(
    `UPDATE push_tokens SET token = ${NEW_TOKEN} WHERE job_id = $1 RETURNING token`,
    [jobId],
  );
  return rows[0]?.token ?? null;
}

/** Returns the jobs that have tokens. */
export async function readPushJobs(database: Queryable): Promise<Set<number>> {
  const { rows } = await database.query<{ jobId: number }>('SELECT job_id AS "jobId" FROM push_tokens');
  return new Set(rows.map(({ jobId }) => jobId));
}

/** Returns the token of a job; null if it has none. */
export async function readPushToken(database: Queryable, jobId: number): Promise<string | null> {
  const { rows } = await database.query<{ token: string }>('SELECT token FROM push_tokens WHERE job_id = $1', [jobId]);
  return rows[0]?.token ?? null;
}
