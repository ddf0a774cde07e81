import { nearest } from '../core/nearest.ts';
import type { Registry } from '../core/registry.ts';
import { createValidator, type Problem, type Validation } from '../core/validation.ts';
import { VedetteError } from '../errors.ts';
import type { MonitorContext, MonitorType, Probe } from '../monitors/monitor.ts';
import { type CommonFields, commonFields, DEFAULT_LOCATION } from './fields.ts';
import type { Job } from './job.ts';
import type { JobDefinition } from './job-store.ts';

export const DEFAULT_TYPE = 'http';
const DEFAULT_PERIOD_SECONDS = 60;
const DEFAULT_TIMEOUT_SECONDS = 10;

/** What is known of job definitions, derived from the registry of monitor types. */
export interface JobRules {
  /** JSON schema (2020-12) of a definition, for OpenAPI. */
  readonly schema: object;
  /** Reports every problem at once; the value is the definition as given, without defaults. */
  validate(definition: unknown): Validation<JobDefinition>;
  /** Maps a valid definition. Cheap: 100,000 of them are mapped at start. */
  toJob(definition: JobDefinition, jobId: number): Job;
  /** The wire form of a job, defaults of the common fields filled in. */
  toDefinition(job: Job): JobDefinition;
  /** Makes the probe of a job: options with their defaults, patterns compiled. */
  prepare(job: Job): Probe;
  /** Wire paths of a type's secrets. */
  secretsOf(type: string): readonly string[];
}

export interface JobRulesOptions {
  monitors: Registry<MonitorType>;
  context: MonitorContext;
  /** Answers what is wrong with a cron expression and time zone, or null. */
  cronProblem(expression: string, timezone: string | null): string | null;
}

interface TypeRules {
  type: MonitorType;
  schema: { type: 'object'; properties: Record<string, object>; required: string[]; additionalProperties: false };
  validate: (input: unknown) => Validation<JobDefinition>;
  withDefaults: (options: unknown) => Validation<object>;
}

export function createJobRules({ monitors, context, cronProblem }: JobRulesOptions): JobRules {
  const byType = new Map<string, TypeRules>();
  const rulesOf = (name: string): TypeRules => {
    let rules = byType.get(name);
    if (!rules) {
      rules = deriveRules(monitors.get(name));
      byType.set(name, rules);
    }
    return rules;
  };

  const prepare = (job: Job): Probe => {
    const { type, withDefaults } = rulesOf(job.type);
    const options = withDefaults(job.options);
    if (!options.ok) throw new VedetteError('VED_VALIDATION', `Job ${job.jobId} has wrong options`);
    return type.prepare(options.value, context);
  };

  const validate = (given: unknown): Validation<JobDefinition> => {
    if (typeof given !== 'object' || given === null || Array.isArray(given)) {
      return { ok: false, problems: [{ path: '', given, accepted: 'a job: an object with at least a uri' }] };
    }
    const definition = given as JobDefinition & CommonFields;
    const name = definition.type ?? DEFAULT_TYPE;
    if (typeof name !== 'string' || !monitors.has(name)) {
      return {
        ok: false,
        problems: [{ path: 'type', given: name, accepted: `one of ${monitors.names().join(', ')}` }],
      };
    }
    const rules = rulesOf(name);
    const checked = rules.validate(definition);
    const problems = checked.ok ? [] : checked.problems.map((problem) => withSuggestion(problem, rules));
    problems.push(...scheduleProblems(definition, problems, cronProblem));
    if (problems.length === 0) problems.push(...prepareProblems(() => prepare(toJob(definition, 1))));
    return problems.length === 0 ? { ok: true, value: definition } : { ok: false, problems };
  };

  return {
    schema: documentSchema(monitors, rulesOf),
    validate,
    toJob,
    toDefinition,
    prepare,
    secretsOf: (name) => (monitors.has(name) ? monitors.get(name).secrets : []),
  };
}

/** Maps wire names to a Job, once. What is not a common field is the monitor type's. */
export function toJob(definition: JobDefinition, jobId: number): Job {
  const fields = definition as CommonFields & { type?: string; uri?: string };
  const options: Record<string, unknown> = {};
  for (const key in definition) if (!(key in commonFields) && key !== 'type') options[key] = definition[key];
  const periodSeconds =
    fields.check_period_seconds ?? (fields.check_cron === undefined ? DEFAULT_PERIOD_SECONDS : null);
  const periodMs = periodSeconds === null ? null : Math.round(periodSeconds * 1000);
  return {
    jobId,
    name: fields.job_name ?? fields.uri ?? `job ${jobId}`,
    description: fields.description ?? null,
    type: fields.type ?? DEFAULT_TYPE,
    periodMs,
    cron: fields.check_cron ?? null,
    cronTimezone: fields.check_cron_timezone ?? null,
    timeoutMs: Math.round(1000 * (fields.timeout_seconds ?? defaultTimeoutSeconds(periodSeconds))),
    retries: fields.retries ?? 0,
    locations: fields.location === undefined ? DEFAULT_LOCATIONS : [fields.location].flat(),
    tags: fields.tags ?? NO_TAGS,
    enabled: fields.enabled ?? true,
    topic: fields.topic ?? null,
    options,
  };
}

// Shared by the many jobs that say nothing of their own.
const DEFAULT_LOCATIONS: readonly string[] = Object.freeze([DEFAULT_LOCATION]);
const NO_TAGS: readonly string[] = Object.freeze([]);

function toDefinition(job: Job): JobDefinition {
  const { locations } = job;
  return {
    job_id: job.jobId,
    job_name: job.name,
    ...(job.description === null ? {} : { description: job.description }),
    type: job.type,
    ...(job.periodMs === null ? {} : { check_period_seconds: job.periodMs / 1000 }),
    ...(job.cron === null ? {} : { check_cron: job.cron }),
    ...(job.cronTimezone === null ? {} : { check_cron_timezone: job.cronTimezone }),
    timeout_seconds: job.timeoutMs / 1000,
    retries: job.retries,
    enabled: job.enabled,
    tags: [...job.tags],
    location: locations.length === 1 ? locations[0] : [...locations],
    ...(job.topic === null ? {} : { topic: job.topic }),
    ...job.options,
  };
}

function defaultTimeoutSeconds(periodSeconds: number | null): number {
  return periodSeconds === null ? DEFAULT_TIMEOUT_SECONDS : Math.min(DEFAULT_TIMEOUT_SECONDS, 0.8 * periodSeconds);
}

function deriveRules(type: MonitorType): TypeRules {
  for (const key of Object.keys(type.options.properties)) {
    if (key in commonFields) throw new Error(`Monitor type ${type.name} redefines the common field ${key}`);
  }
  const { properties, required = [] } = type.options;
  const schema = {
    type: 'object' as const,
    properties: { ...commonFields, type: { const: type.name, description: type.description }, ...properties },
    required,
    additionalProperties: false as const,
  };
  return {
    type,
    schema,
    validate: createValidator<JobDefinition>(schema),
    withDefaults: createValidator<object>({ type: 'object', properties, required, additionalProperties: false }),
  };
}

/** What a schema cannot say about when a job runs. */
function scheduleProblems(
  fields: CommonFields,
  known: readonly Problem[],
  cronProblem: JobRulesOptions['cronProblem'],
): Problem[] {
  const problems: Problem[] = [];
  const isSound = (path: string) => !known.some((problem) => problem.path === path);
  const {
    check_period_seconds: period,
    check_cron: cron,
    check_cron_timezone: zone,
    timeout_seconds: timeout,
  } = fields;
  if (period !== undefined && cron !== undefined) {
    problems.push({ path: 'check_cron', given: cron, accepted: 'nothing beside check_period_seconds: one of the two' });
  }
  if (zone !== undefined && cron === undefined) {
    problems.push({ path: 'check_cron_timezone', given: zone, accepted: 'nothing without check_cron' });
  }
  if (typeof cron === 'string' && isSound('check_cron')) {
    const problem = cronProblem(cron, typeof zone === 'string' ? zone : null);
    if (problem !== null) problems.push({ path: 'check_cron', given: cron, accepted: problem });
  }
  if (typeof timeout === 'number' && isSound('timeout_seconds') && cron === undefined) {
    const limit = typeof period === 'number' ? period : DEFAULT_PERIOD_SECONDS;
    if (timeout >= limit) {
      const accepted = `less than check_period_seconds (${limit}): a check must end before the next slot`;
      problems.push({ path: 'timeout_seconds', given: timeout, accepted });
    }
  }
  return problems;
}

function prepareProblems(prepare: () => unknown): Problem[] {
  try {
    prepare();
    return [];
  } catch (error) {
    if (error instanceof VedetteError && error.code === 'VED_VALIDATION') {
      const [, path = '', accepted = error.message] = /^([\w.[\]-]+): (.*)$/s.exec(error.message) ?? [];
      return [{ path, given: error.cause ?? undefined, accepted }];
    }
    throw error;
  }
}

function withSuggestion(problem: Problem, { schema }: TypeRules): Problem {
  if (!problem.accepted.startsWith('only the keys') || problem.path.includes('.')) return problem;
  const near = nearest(problem.path, Object.keys(schema.properties));
  return near === undefined
    ? problem
    : { ...problem, accepted: `${near} (did you mean that?), or ${problem.accepted}` };
}

/** One merged object when there is one type; else a choice that `type` decides. */
function documentSchema(monitors: Registry<MonitorType>, rulesOf: (name: string) => TypeRules): object {
  const schemas = monitors.names().map((name) => {
    const { schema } = rulesOf(name);
    const isDefault = name === DEFAULT_TYPE;
    const type = { type: 'string', enum: [name], ...(isDefault ? { default: name } : {}) };
    return {
      ...schema,
      title: `${name} job`,
      properties: { ...schema.properties, type },
      required: isDefault ? schema.required : ['type', ...schema.required],
    };
  });
  return schemas.length === 1 ? schemas[0] : { oneOf: schemas };
}
