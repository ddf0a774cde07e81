import { maskText } from '../../core/masking.ts';
import type { Problem } from '../../core/validation.ts';
import { GROUP_TYPE } from '../groups.ts';
import type { JobDefinition } from '../store.ts';

/** Whether a definition is that of a group with jobs that are given by name. */
export function hasMemberNames({ type, jobs }: JobDefinition): boolean {
  return type === GROUP_TYPE && Array.isArray(jobs) && jobs.some((job) => typeof job === 'string');
}

/**
 * Replaces names in the jobs of a group by the ids of the jobs of that name, so that nothing depends on names any more.
 * `named`: the ids of each name.
 */
export function resolveMemberNames(
  definition: JobDefinition,
  named: ReadonlyMap<unknown, ReadonlySet<unknown>>,
): { value: JobDefinition; problems: Problem[] } {
  const problems: Problem[] = [];
  const jobs = (definition.jobs as readonly unknown[]).map((given, index) => {
    if (typeof given !== 'string') return given;
    const [jobId, ...others] = named.get(given) ?? [];
    if (jobId !== undefined && others.length === 0) return jobId;
    const accepted =
      jobId === undefined
        ? 'the job_name of a job of these files, or a job_id'
        : `a job_id: ${[jobId, ...others].join(', ')} have the name`;
    problems.push({ path: `jobs[${index}]`, given: maskText(given), accepted });
    return given;
  });
  return { value: { ...definition, jobs }, problems };
}
