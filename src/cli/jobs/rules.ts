import { plainText } from '../../core/plain-text.ts';
import { counted } from '../../core/plural.ts';
import { formatProblem } from '../../core/validation.ts';
import { VedetteError } from '../../errors.ts';
import type { Job } from '../../jobs/definition.ts';
import { resolveReferences } from '../../jobs/files/references.ts';
import type { JobRules } from '../../jobs/rules.ts';
import type { JobDefinition } from '../../jobs/store.ts';
import type { Settings } from '../../settings.ts';
import { createRunningMembers } from '../checks/running-members.ts';
import { createSelfFinder } from '../checks/self-address.ts';
import type { Cli } from '../context.ts';

/** The rules of job definitions, with the settings' gate and user agent. */
export async function loadJobRules(settings: Settings): Promise<JobRules> {
  const { createRules } = await import('../../app/jobs.ts');
  return createRules(settings, { self: createSelfFinder(settings), readMembers: createRunningMembers(settings) });
}

/** Checks a definition from the command line, or from a file whose `${NAME}` `resolve` knows; throws VED_USAGE with every problem. */
export function readDefinition(
  rules: JobRules,
  given: unknown,
  resolve?: (name: string) => string | undefined,
): JobDefinition {
  const { value, missing } = resolveReferences(given, resolve);
  const checked = rules.validate(value);
  if (checked.ok && missing.length === 0) return checked.value;
  const problems = [...missing, ...(checked.ok ? [] : checked.problems)];
  const lines = problems.map((problem) => `  ${formatProblem(problem)}`);
  throw new VedetteError('VED_USAGE', [`${counted(problems.length, 'problem')} in the job:`, ...lines].join('\n'));
}

/** The jobs that the settings name; null when there is no file and nobody named one. Throws VED_JOBS_FILE_INVALID. */
export async function loadJobFile(settings: Settings, rules: JobRules): Promise<Job[] | null> {
  const { jobSourceOf } = await import('../../jobs/files/source.ts');
  const definitions = await jobSourceOf(settings, rules)?.read();
  return definitions?.map((definition) => rules.toJob(definition, definition.job_id as number)) ?? null;
}

/** Says which secrets the jobs lack here. It is no error: they may be there where the jobs are checked. */
export async function sayLackingSecrets({ stderr }: Cli, rules: JobRules, jobs: readonly Job[]): Promise<void> {
  for (const { name, fault, jobIds } of await rules.lackingSecrets(jobs)) {
    stderr.line(plainText(`note: no secret ${name} on this machine (${listed(jobIds)}): ${fault}`));
  }
}

function listed(jobIds: readonly number[]): string {
  const shown = jobIds.slice(0, MAX_LISTED).join(', ');
  return `${jobIds.length === 1 ? 'job' : 'jobs'} ${shown}${jobIds.length > MAX_LISTED ? ', ...' : ''}`;
}

const MAX_LISTED = 10;
