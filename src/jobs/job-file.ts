import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { formatProblem, type Problem, type Validation } from '../core/validation.ts';
import { VedetteError } from '../errors.ts';
import type { JobDefinition } from './job-store.ts';
import { findJsonFault } from './json-syntax.ts';
import { resolveReferences } from './references.ts';

export interface JobFileOptions {
  path: string;
  /** Checks one definition, as the rules of jobs do. */
  validate(definition: unknown): Validation<JobDefinition>;
  /** The value that `${NAME}` in a text stands for; undefined when there is none. Without it nothing is replaced. */
  resolve?: (name: string) => string | undefined;
}

const MAX_SHOWN = 100;

/**
 * The definitions of a job file: a JSON list of them, or an object `{ "jobs": [...] }`. Each needs a job_id of its own.
 * Throws VED_JOBS_FILE_INVALID with every problem (one line each: file, path, what is given, what is accepted), also
 * when there is no such file; its cause then is the system's error.
 */
export async function readJobFile(options: JobFileOptions): Promise<JobDefinition[]> {
  let text: string;
  try {
    text = await readFile(options.path, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'there is no such file' : message;
    throw new VedetteError('VED_JOBS_FILE_INVALID', `${options.path}: ${why}`, { cause: error });
  }
  return parseJobFile(text, options);
}

/** The definitions in the text of a job file; errors as readJobFile. */
export function parseJobFile(text: string, { path, validate, resolve }: JobFileOptions): JobDefinition[] {
  const file = basename(path);
  const { list, at } = entriesOf(parseJson(text, file), file);
  const problems: Problem[] = [];
  const definitions: JobDefinition[] = [];
  const owners = new Map<unknown, string>();
  list.forEach((entry, index) => {
    const place = `${at}[${index}]`;
    const { value, missing, replaced } = resolveReferences(entry, resolve);
    const known: Problem[] = [...missing];
    const checked = validate(value);
    if (!checked.ok) known.push(...checked.problems.filter(({ path }) => !missing.some((gap) => gap.path === path)));
    if (isObject(value)) known.push(...idProblems(value.job_id, place, owners));
    // What a reference stands for may be a secret: the file's own text is shown instead.
    for (const problem of known) problems.push(placed(problem, place, replaced));
    if (checked.ok) definitions.push(checked.value);
  });
  if (problems.length > 0) throw invalid(file, problems);
  return definitions;
}

function parseJson(text: string, file: string): unknown {
  const json = text.startsWith('\uFEFF') ? text.slice(1) : text;
  try {
    return JSON.parse(json);
  } catch (error) {
    const fault = findJsonFault(json);
    const where = fault ? `line ${fault.line}, column ${fault.column}` : 'somewhere';
    const what = fault ? `given ${fault.found}, accepted: ${fault.accepted}` : (error as Error).message;
    throw new VedetteError('VED_JOBS_FILE_INVALID', `${file}: ${where}: ${what}`, { cause: error });
  }
}

function entriesOf(value: unknown, file: string): { list: unknown[]; at: string } {
  if (Array.isArray(value)) return { list: value, at: '' };
  const accepted = 'a list of jobs, or an object with such a list named jobs';
  if (!isObject(value)) throw invalid(file, [{ path: '', given: value, accepted }]);
  const problems: Problem[] = Object.keys(value)
    .filter((key) => key !== 'jobs')
    .map((key) => ({ path: key, given: value[key], accepted: `only the key jobs: ${accepted}` }));
  if (!Array.isArray(value.jobs)) problems.push({ path: 'jobs', given: value.jobs, accepted: 'a list of jobs' });
  if (problems.length > 0) throw invalid(file, problems);
  return { list: value.jobs as unknown[], at: 'jobs' };
}

function idProblems(jobId: unknown, place: string, owners: Map<unknown, string>): Problem[] {
  if (jobId === undefined) {
    return [{ path: 'job_id', given: undefined, accepted: 'a number of its own: jobs in a file need one' }];
  }
  const owner = owners.get(jobId);
  if (owner !== undefined) return [{ path: 'job_id', given: jobId, accepted: `a number of its own, ${owner} has it` }];
  owners.set(jobId, place);
  return [];
}

function placed({ path, given, accepted }: Problem, place: string, replaced: ReadonlyMap<string, string>): Problem {
  const separator = path === '' || path.startsWith('[') ? '' : '.';
  return { path: `${place}${separator}${path}`, given: replaced.get(path) ?? given, accepted };
}

function invalid(file: string, problems: readonly Problem[]): VedetteError {
  const lines = problems.slice(0, MAX_SHOWN).map((problem) => `${file}: ${formatProblem(problem)}`);
  if (problems.length > MAX_SHOWN) lines.push(`${file}: and ${problems.length - MAX_SHOWN} further problems`);
  return new VedetteError('VED_JOBS_FILE_INVALID', lines.join('\n'));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
