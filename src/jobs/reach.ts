import { formatProblem, type Problem } from '../core/validation.ts';
import { VedetteError } from '../errors.ts';
import type { Queryable } from '../postgres/database.ts';
import type { JobDefinition } from './store.ts';

/**
 * Refuses a definition that whoever is limited to `within` could not see afterwards. Throws VED_FORBIDDEN. null: there is
 * no limit.
 */
export function refuseOutside({ tags }: JobDefinition, within: readonly string[] | null): void {
  if (within === null) return;
  const given = Array.isArray(tags) ? (tags as readonly string[]) : [];
  if (given.some((tag) => within.includes(tag))) return;
  throw outOfReach({ path: 'tags', given, accepted: `with at least one of ${JSON.stringify(within)}` });
}

/** Refuses a field that means all jobs with a tag, if `within` does not contain it. Throws VED_FORBIDDEN. */
export function refuseForeignTag(path: string, tag: string | null, within: readonly string[] | null): void {
  if (tag === null || within === null || within.includes(tag)) return;
  throw outOfReach({ path, given: tag, accepted: `one of ${JSON.stringify(within)}` });
}

function outOfReach(problem: Problem): VedetteError {
  const text = `${formatProblem(problem)}: only jobs with them can be reached with this key`;
  return new VedetteError('VED_FORBIDDEN', text, { problems: [problem] });
}

/**
 * Refuses an id whose numbers whoever is limited to `within` would inherit: of a removed job that it could not see, or of
 * results of others. Throws VED_JOB_EXISTS, as for a job that is there: which of these it is stays unsaid.
 */
export async function refuseInheritance(tx: Queryable, jobId: number, within: readonly string[] | null): Promise<void> {
  if (within === null) return;
  const { rows } = await tx.query<{ used: boolean }>(
    `SELECT CASE WHEN EXISTS (SELECT FROM jobs WHERE job_id = $1)
       THEN NOT EXISTS (SELECT FROM jobs WHERE job_id = $1 AND definition -> 'tags' ?| $2::text[])
       ELSE EXISTS (SELECT FROM series_progress WHERE job_id = $1)
         OR EXISTS (SELECT FROM schedule_spans WHERE job_id = $1) END AS used`,
    [jobId, within],
  );
  if (rows[0]?.used === true) throw alreadyExists(jobId);
}

export function alreadyExists(jobId: number): VedetteError {
  const problem = { path: 'job_id', given: jobId, accepted: 'a number that no job has, or nothing' };
  return new VedetteError('VED_JOB_EXISTS', `Job ${jobId} exists already`, { problems: [problem] });
}
