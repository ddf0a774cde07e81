import { existsSync, readFileSync } from 'node:fs';
import { formatProblem, type Problem } from '../core/validation.ts';
import { VedetteError } from '../errors.ts';
import type { Job } from '../jobs/job.ts';
import type { JobRules } from '../jobs/job-rules.ts';
import type { JobDefinition } from '../jobs/job-store.ts';
import type { Settings } from '../settings.ts';

/** What is known of job definitions, with the settings' gate and user agent. */
export async function loadJobRules({ monitors: options, isPublic }: Settings): Promise<JobRules> {
  const [{ createJobRules }, { monitors }, { createGate }, { CronSlots }] = await Promise.all([
    import('../jobs/job-rules.ts'),
    import('../monitors/index.ts'),
    import('../monitors/gate.ts'),
    import('../scheduler/cron.ts'),
  ]);
  const mode = options.gate === 'auto' ? (isPublic ? 'deny_internal' : 'off') : options.gate;
  return createJobRules({
    monitors,
    context: { gate: createGate({ mode, allow: options.allow }), userAgent: options.userAgent },
    cronProblem: (expression, timezone) => {
      try {
        return new CronSlots(expression, timezone).next(Date.now()) === null
          ? 'an expression that is due at some time'
          : null;
      } catch (error) {
        return `a cron expression in a known time zone: ${(error as Error).message}`;
      }
    },
  });
}

/** Checks a definition from the command line; throws VED_USAGE with every problem. */
export function readDefinition(rules: JobRules, given: unknown): JobDefinition {
  const checked = rules.validate(given);
  if (checked.ok) return checked.value;
  throw new VedetteError('VED_USAGE', listProblems('the job', checked.problems));
}

/** The jobs of the job file; null when there is no file and nobody named one. Throws VED_JOBS_FILE_INVALID. */
export function readJobFile(settings: Settings, rules: JobRules): Job[] | null {
  const { jobsFile } = settings;
  if (!existsSync(jobsFile)) {
    if (!settings.isJobsFileNamed) return null;
    throw new VedetteError('VED_JOBS_FILE_INVALID', `${jobsFile} does not exist`);
  }
  let list: unknown;
  try {
    list = JSON.parse(readFileSync(jobsFile, 'utf8'));
  } catch (error) {
    throw new VedetteError('VED_JOBS_FILE_INVALID', `${jobsFile}: ${(error as Error).message}`, { cause: error });
  }
  if (!Array.isArray(list)) throw new VedetteError('VED_JOBS_FILE_INVALID', `${jobsFile}: accepted: a list of jobs`);
  const problems: Problem[] = [];
  const seen = new Set<unknown>();
  const jobs: Job[] = [];
  for (const [index, given] of list.entries()) {
    const at = (problem: Problem) => ({
      ...problem,
      path: `[${index}]${problem.path === '' ? '' : `.${problem.path}`}`,
    });
    const jobId = (given as { job_id?: unknown } | null)?.job_id;
    if (jobId === undefined) problems.push(at({ path: 'job_id', given: jobId, accepted: 'a number of its own' }));
    else if (seen.has(jobId)) {
      problems.push(at({ path: 'job_id', given: jobId, accepted: 'an id that no other job has' }));
    }
    seen.add(jobId);
    const checked = rules.validate(given);
    if (!checked.ok) problems.push(...checked.problems.map(at));
    else if (typeof jobId === 'number') jobs.push(rules.toJob(checked.value, jobId));
  }
  if (problems.length > 0) throw new VedetteError('VED_JOBS_FILE_INVALID', listProblems(jobsFile, problems));
  return jobs;
}

function listProblems(where: string, problems: readonly Problem[]): string {
  const count = problems.length === 1 ? 'One problem' : `${problems.length} problems`;
  return `${count} in ${where}:\n${problems.map((problem) => `  ${formatProblem(problem)}`).join('\n')}`;
}
