import { maskText } from '../../core/masking.ts';
import { type ErrorCode, VedetteError } from '../../errors.ts';
import type { StoredJob } from '../../jobs/definition.ts';
import { maskAll } from '../../jobs/secrets.ts';
import type { JobDefinition } from '../../jobs/store.ts';
import { ResponseError } from '../http/response-error.ts';
import { validationError } from '../http/validation.ts';
import type { ApiDependencies } from '../ports.ts';

type Editing = Pick<ApiDependencies, 'jobStore' | 'jobRules'>;
const MAX_TRIES = 5;

/** Checks a definition; throws VED_VALIDATION with every problem. */
export function checkDefinition({ jobRules }: Pick<Editing, 'jobRules'>, definition: unknown): JobDefinition {
  const result = jobRules.validate(definition);
  if (result.ok) return result.value;
  throw validationError(result.problems);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export async function getJob({ jobStore }: Pick<ApiDependencies, 'jobStore'>, jobId: number): Promise<StoredJob> {
  const stored = await jobStore.get(jobId);
  if (!stored || stored.deleted) throw notFound(jobId);
  return stored;
}

const notFound = (jobId: number) => new VedetteError('VED_JOB_NOT_FOUND', `There is no job ${jobId}`);

/** Which versions an If-Match header accepts (what an ETag says of the state is no part of them); undefined when there is none, or it takes any. */
export function parseIfMatch(header: string | undefined): number[] | undefined {
  if (header === undefined || header.trim() === '*') return undefined;
  const versions: number[] = [];
  for (const part of header.split(',')) {
    const match = /^\s*(?:W\/)?"?(\d{1,9})(?:-[\w-]{1,40})?"?\s*$/.exec(part);
    if (!match) {
      const problem = { path: 'if-match', given: header, accepted: 'the ETag of the job, such as "3"' };
      throw validationError([problem], 'header');
    }
    versions.push(Number(match[1]));
  }
  return versions;
}

/**
 * Reads, edits and writes a job. `ifMatch` must name the stored version; without it, an edit that met a change of
 * somebody else is repeated on top of that change.
 */
export async function editJob(
  ports: Editing,
  jobId: number,
  ifMatch: readonly number[] | undefined,
  edit: Edit,
  body: unknown,
): Promise<StoredJob> {
  for (let attempt = 1; ; attempt++) {
    const stored = await getJob(ports, jobId);
    refuseFileJob(stored);
    refuseOtherVersion(stored, ifMatch);
    const before = await ports.jobStore.definitionOf(jobId);
    if (!before) throw notFound(jobId);
    const edited = ports.jobRules.restoreSecrets(edit(stored, before, body), before);
    const definition = checkDefinition(ports, edited);
    try {
      return await ports.jobStore.update(jobId, definition, { ifVersion: stored.version });
    } catch (error) {
      if (!hasCode(error, 'VED_VERSION_CONFLICT') || ifMatch !== undefined || attempt === MAX_TRIES) throw error;
    }
  }
}

export async function removeJob(ports: Editing, jobId: number, ifMatch: readonly number[] | undefined): Promise<void> {
  const stored = await getJob(ports, jobId);
  refuseFileJob(stored);
  refuseOtherVersion(stored, ifMatch);
  await ports.jobStore.remove(jobId, ifMatch === undefined ? {} : { ifVersion: stored.version });
}

function refuseFileJob({ job, source }: StoredJob): void {
  if (source !== 'file') return;
  throw new VedetteError(
    'VED_JOB_MANAGED_BY_FILE',
    `Job ${job.jobId} comes from the job file, which would overwrite the change: edit it there. It can be started and stopped here.`,
  );
}

function refuseOtherVersion({ job, version }: StoredJob, ifMatch: readonly number[] | undefined): void {
  if (ifMatch === undefined || ifMatch.includes(version)) return;
  const problem = { path: 'if-match', given: ifMatch.join(', '), accepted: `"${version}"` };
  throw new ResponseError(
    'VED_VERSION_CONFLICT',
    `Job ${job.jobId} is at version ${version}, not ${ifMatch.join(' or ')}: read it again`,
    { problems: [problem], part: 'header' },
  );
}

function hasCode(error: unknown, code: ErrorCode): boolean {
  return error instanceof VedetteError && error.code === code;
}

/**
 * How a body makes a new definition of a job; `before` is the stored one as it was given. Masks that were sent back are
 * replaced by the stored secrets afterwards.
 */
export type Edit = (stored: StoredJob, before: JobDefinition, body: unknown) => JobDefinition;

/** The whole new definition: what was sent. */
export const replaceDefinition: Edit = (stored, _before, body) =>
  withId(dropServerFields(asObject(body), stored), stored);

/** RFC 7396: given fields replace, null removes, objects are merged. */
export const patchDefinition: Edit = (stored, before, body) => {
  const merged = mergePatch(before, dropServerFields(asObject(body), stored)) as Record<string, unknown>;
  return withId(merged, stored);
};

function asObject(body: unknown): Record<string, unknown> {
  if (isObject(body)) return body;
  throw validationError([{ path: '', given: maskAll(body), accepted: 'object' }]);
}

function withId(definition: Record<string, unknown>, { job }: StoredJob): Record<string, unknown> {
  const { job_id: jobId = job.jobId } = definition;
  if (jobId === job.jobId) return { job_id: jobId, ...definition };
  throw validationError([{ path: 'job_id', given: jobId, accepted: `${job.jobId}, as in the path, or nothing` }]);
}

/**
 * The answer of GET may be sent back unchanged: fields of the server are dropped when they say what is stored anyway,
 * and refused when they ask for something that a definition cannot do. The state changes by itself and is dropped.
 */
function dropServerFields(body: Record<string, unknown>, stored: StoredJob): Record<string, unknown> {
  const { running, version, source, created_at: createdAt, updated_at: updatedAt, ...others } = body;
  // The token is changed by a route of its own, and masked for most.
  const { state: _state, push_token: _token, push_url: _url, ...definition } = others;
  const { jobId } = stored.job;
  const fixed: ReadonlyArray<[string, unknown, unknown, string]> = [
    ['running', running, stored.running, `POST /job/${jobId}/${stored.running ? 'stop' : 'start'} changes it`],
    ['source', source, stored.source, 'it cannot be changed'],
    ['created_at', createdAt, stored.createdAt.toISOString(), 'it cannot be changed'],
  ];
  const problems = fixed
    .filter(([, given, actual]) => given !== undefined && given !== actual)
    .map(([path, given, actual, why]) => ({
      path,
      given: shown(given),
      accepted: `${JSON.stringify(actual)} or nothing: ${why}`,
    }));
  if (problems.length > 0) throw validationError(problems);
  const otherVersion = version !== undefined && version !== stored.version;
  const otherTime = updatedAt !== undefined && version === undefined && updatedAt !== stored.updatedAt.toISOString();
  if (otherVersion || otherTime) {
    const given = shown(otherVersion ? version : updatedAt);
    const problem = otherVersion
      ? { path: 'version', given, accepted: `${stored.version} or nothing` }
      : { path: 'updated_at', given, accepted: `${stored.updatedAt.toISOString()} or nothing` };
    throw new VedetteError(
      'VED_VERSION_CONFLICT',
      `Job ${jobId} is at version ${stored.version}, not ${JSON.stringify(given)?.slice(0, 60)}: read it again`,
      { problems: [problem] },
    );
  }
  return definition;
}

const shown = (given: unknown): unknown => (typeof given === 'string' ? maskText(given) : maskAll(given));

function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const base = isObject(target) ? target : {};
  const merged = new Map<string, unknown>(Object.entries(base));
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) merged.delete(key);
    else merged.set(key, mergePatch(merged.get(key), value));
  }
  return Object.fromEntries(merged);
}
