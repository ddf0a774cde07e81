import type { Queryable } from '../postgres/database.ts';

export interface PushJobs {
  /** How many run. */
  running: number;
  /** Ids of those that could have reported since they were made, and never have; at most MAX_IDS. */
  unheard: number[];
  unheardCount: number;
}

const MAX_IDS = 20;

/** A job that had no time to report is none that never did: its period, or a day of a cron expression. */
export async function readUnheardJobs(database: Queryable): Promise<PushJobs> {
  const { rows } = await database.query<{ running: number; unheard: number[] | null; unheardCount: number }>(
    `SELECT count(*)::int AS running, (array_agg(job_id ORDER BY job_id) FILTER (WHERE is_unheard))[1:$1] AS unheard,
       (count(*) FILTER (WHERE is_unheard))::int AS "unheardCount"
     FROM (
       SELECT job_id, created_at < now() - make_interval(secs => coalesce(
           (definition ->> 'check_period_seconds')::double precision, CASE WHEN definition ? 'check_cron' THEN 86400 ELSE 60 END))
         AND NOT EXISTS (SELECT FROM push_reports WHERE push_reports.job_id = push_tokens.job_id)
         AND NOT EXISTS (SELECT FROM series_progress WHERE series_progress.job_id = push_tokens.job_id AND up + degraded > 0)
         AS is_unheard
       FROM push_tokens JOIN jobs USING (job_id) WHERE running
     ) AS job`,
    [MAX_IDS],
  );
  const { running = 0, unheard = null, unheardCount = 0 } = rows[0] ?? {};
  return { running, unheard: unheard ?? [], unheardCount };
}
