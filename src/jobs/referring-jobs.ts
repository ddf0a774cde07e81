import type { Queryable } from '../postgres/database.ts';
import { DEFAULT_LOCATION } from './fields.ts';
import type { Referring } from './lacking-secrets.ts';

/** Returns running jobs of a location that may refer to secrets, at most `limit`. */
export async function readReferringJobs(database: Queryable, location: string, limit: number): Promise<Referring[]> {
  const { rows } = await database.query<Referring>(
    `SELECT job_id AS "jobId", NULL AS type, definition AS options FROM jobs
     WHERE deleted_at IS NULL AND running AND definition::text LIKE '%\${secret:%'
       AND coalesce(definition -> 'location', to_jsonb($2::text)) @> to_jsonb($1::text)
     ORDER BY job_id LIMIT $3`,
    [location, DEFAULT_LOCATION, limit],
  );
  return rows;
}
