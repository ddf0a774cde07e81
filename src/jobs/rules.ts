import type { Registry } from '../core/registry.ts';
import { createValidator, type Problem, type Validation } from '../core/validation.ts';
import type { DeclaredValue, MonitorContext, MonitorType, Probe } from '../monitors/monitor.ts';
import { installing, packagesLacking } from '../monitors/packages.ts';
import { NO_SECRETS, type SecretStore } from '../secrets/store.ts';
import type { Job } from './definition.ts';
import { type CommonFields, commonFields, DEFAULT_TYPE, type JobMetric } from './fields.ts';
import { createLackOfSecrets, type LackingSecret, type Referring } from './lacking-secrets.ts';
import { toDefinition, toJob } from './mapping.ts';
import { createPrepare, type ProbedJob, unknownType } from './prepare.ts';
import { type CronCheck, MAX_DEFINITION_BYTES, scheduleProblems, sizeProblems, textProblems } from './problems.ts';
import { referenceProblems } from './secret-references.ts';
import { maskProblem, redactSecrets, restoreSecrets } from './secrets.ts';
import type { JobDefinition } from './store.ts';
import { createAddressTypes } from './type-of.ts';

/** The rules of job definitions, derived from the registry of monitor types. */
export interface JobRules {
  /** JSON schema (2020-12) of a definition, for OpenAPI: an object, or `oneOf` with a branch for each type. */
  readonly schema: object;
  /** JSON schema of each fact of a check, by name, of all types together. */
  readonly facts: Readonly<Record<string, object>>;
  /** Returns the values that the results of a job may have, by name. */
  valuesOf(job: Pick<Job, 'type'>): Readonly<Record<string, DeclaredValue>>;
  /**
   * Reports every problem at once, secrets masked; the value is the definition as given, without defaults. The caller
   * decides whether a job_id is required.
   */
  validate(definition: unknown): Validation<JobDefinition>;
  /** Maps a valid definition. Cheap: called for 100,000 of them at start. */
  toJob(definition: JobDefinition, jobId: number): Job;
  /** Returns the wire form of a job, defaults of the common fields filled in. */
  toDefinition(job: Job): JobDefinition;
  /** Returns the probe of a job. Throws VED_VALIDATION if its type is unknown or its options are invalid. */
  prepare(job: ProbedJob): Probe;
  /** Returns the host of a job's connections, whose number is limited per host. */
  hostOf(job: Job): string;
  /** Returns how long after its slot a report of the job is in time, ms; null for a job that is checked. */
  graceOf(job: Job): number | null;
  /** Returns what a job checks, its address or what its type says, for people: without secrets. */
  targetOf(job: Job): string;
  /** Returns a copy with masked secrets, for responses and logs. */
  redact(definition: JobDefinition): JobDefinition;
  /** Replaces masks that were sent back by the stored secrets. Throws VED_VALIDATION if none is stored. */
  restoreSecrets(definition: JobDefinition, stored: JobDefinition): JobDefinition;
  /** Returns the secrets that jobs refer to and that have no value in this process, by name. */
  lackingSecrets(jobs: Iterable<Referring>): Promise<LackingSecret[]>;
}

export interface JobRulesOptions {
  monitors: Registry<MonitorType>;
  context: MonitorContext;
  cronProblem: CronCheck;
  /** The secrets that jobs may refer to; by default there are none. */
  secrets?: SecretStore;
  /** Returns the problems of what is counted for a job, with paths from `metrics`. Absent: anything may be. */
  metricProblems?: MetricCheck;
  /** Topics of copies, which are never counted: jobs may not publish there. */
  copyTopics?: readonly string[];
}

type MetricCheck = (metrics: readonly JobMetric[]) => Problem[];

interface TypeRules {
  type: MonitorType;
  schema: { type: 'object'; properties: Record<string, object>; required: string[]; additionalProperties: false };
  validate: (input: unknown) => Validation<JobDefinition>;
}

export function createJobRules({
  monitors,
  context,
  cronProblem,
  secrets = NO_SECRETS,
  metricProblems = () => [],
  copyTopics = [],
}: JobRulesOptions): JobRules {
  const addresses = createAddressTypes(monitors);
  const byType = new Map<string, TypeRules>();
  const rulesOf = (name: string): TypeRules => {
    let rules = byType.get(name);
    if (!rules) {
      rules = deriveRules(monitors.get(name));
      byType.set(name, rules);
    }
    return rules;
  };
  const secretsOf = (definition: JobDefinition) => {
    const type = String(addresses.typeOf(definition));
    return monitors.has(type) ? monitors.get(type).secrets : [];
  };

  const validate = (given: unknown): Validation<JobDefinition> => {
    if (typeof given !== 'object' || given === null || Array.isArray(given)) {
      return {
        ok: false,
        problems: [maskProblem({ path: '', given, accepted: 'a job: an object, such as one with a uri' }, [])],
      };
    }
    const definition = given as JobDefinition;
    const name = addresses.typeOf(definition);
    if (typeof name !== 'string' || !monitors.has(name)) {
      return { ok: false, problems: [maskProblem(unknownType(name, monitors.names()), [])] };
    }
    const problems = problemsOf(definition, rulesOf(name), cronProblem, metricProblems);
    if (copyTopics.includes(definition.topic as string)) {
      problems.push({ path: 'topic', given: definition.topic, accepted: 'a topic that is not one of copies' });
    }
    if (problems.length === 0) return { ok: true, value: definition };
    const isForeign = definition.type === undefined && addresses.isForeign(definition.uri);
    return { ok: false, problems: isForeign ? problems.map(withSchemes) : problems };
  };

  /** The type of an address is not known when its scheme is not. */
  const withSchemes = (problem: Problem): Problem => {
    if (problem.path !== 'uri') return problem;
    return { ...problem, accepted: `${problem.accepted}; there are jobs for ${addresses.schemes}` };
  };

  const hostOf = ({ type, options }: Job) => (monitors.has(type) ? monitors.get(type).host(options) : '');
  const redact = (definition: JobDefinition) => redactSecrets(definition, secretsOf(definition));

  return {
    schema: documentSchema(monitors, rulesOf),
    facts: Object.assign({}, ...monitors.all().map(({ facts }) => facts)),
    valuesOf: ({ type }) => (monitors.has(type) ? (monitors.get(type).values ?? {}) : {}),
    validate,
    toJob: (definition, jobId) => toJob(definition, jobId, addresses.typeOf(definition) as string),
    toDefinition,
    prepare: createPrepare(monitors, context, secrets),
    hostOf,
    graceOf({ type, options, periodMs }) {
      const rule = monitors.has(type) ? monitors.get(type).reported?.(options) : undefined;
      return rule === undefined ? null : (rule.graceMs ?? periodMs ?? CRON_GRACE_MS);
    },
    targetOf(job) {
      const { job_id: _id, ...shown } = redact(toDefinition(job));
      const type = monitors.has(job.type) ? monitors.get(job.type) : null;
      if (type?.target) return type.target(shown);
      return typeof shown.uri === 'string' ? shown.uri : hostOf(job);
    },
    redact,
    restoreSecrets: (definition, stored) => restoreSecrets(definition, stored, secretsOf(definition)),
    lackingSecrets: createLackOfSecrets(monitors, secrets, addresses.typeOf),
  };
}

/** A program that begins by the same expression is done by then, as a rule. */
const CRON_GRACE_MS = 3_600_000;

function deriveRules(type: MonitorType): TypeRules {
  for (const key of Object.keys(type.options.properties)) {
    if (key in commonFields) throw new Error(`Monitor type ${type.name} redefines the common field ${key}`);
  }
  const { properties, required = [] } = type.options;
  const schema = {
    type: 'object' as const,
    properties: { ...commonFields, type: { const: type.name, description: type.description }, ...properties },
    required: [...required],
    additionalProperties: false as const,
  };
  return { type, schema, validate: createValidator<JobDefinition>(schema) };
}

/** Returns the problems of the schema, then those that it cannot express, of the fields that satisfy it. */
function problemsOf(
  definition: JobDefinition,
  { type, validate }: TypeRules,
  cronProblem: CronCheck,
  metricProblems: MetricCheck,
): Problem[] {
  const result = validate(definition);
  const problems = [...(result.ok ? [] : result.problems), ...textProblems(definition)];
  const bad = new Set(problems.map(fieldOf));
  const good = bad.size === 0 ? definition : withoutKeys(definition, bad);
  problems.push(
    ...scheduleProblems(good, bad, cronProblem),
    ...packageProblems(type),
    // A field that does not satisfy the schema is not absent.
    ...(type.problems?.(good) ?? []).filter((problem) => !bad.has(fieldOf(problem))),
    ...metricProblems((good as CommonFields).metrics ?? []).map((problem) => inField('metrics', problem)),
    ...referenceProblems(good, type),
  );
  const names = bad.has('secrets') ? [] : (definition as CommonFields).secrets;
  return [...problems.map((problem) => maskProblem(problem, type.secrets, names)), ...sizeProblems(definition)];
}

const fieldOf = ({ path }: Problem): string => /^[^.[]*/.exec(path)?.[0] ?? '';

function packageProblems({ name, packages = [] }: MonitorType): Problem[] {
  const lacking = packagesLacking(packages);
  if (lacking.length === 0) return [];
  return [{ path: 'type', given: name, accepted: `a type whose packages are installed: ${installing(lacking)}` }];
}

function inField(name: string, problem: Problem): Problem {
  return { ...problem, path: name + problem.path };
}

function withoutKeys(definition: JobDefinition, keys: ReadonlySet<string>): JobDefinition {
  return Object.fromEntries(Object.entries(definition).filter(([key]) => !keys.has(key)));
}

/** The schedule rules of `scheduleProblems`, as schemas. */
const EXCLUDES = [{ required: ['check_period_seconds', 'check_cron'] }];
const SCHEDULE = {
  dependentRequired: { check_cron_timezone: ['check_cron'] },
};

/** Client generators map GET and get to one name: lower case is accepted, but not described, nor are numbers beside their texts. */
function inOneCase(schema: object): object {
  const { enum: values } = schema as { enum?: readonly unknown[] };
  const isTwin = (value: unknown) =>
    typeof value === 'string'
      ? value !== value.toUpperCase() && values?.includes(value.toUpperCase())
      : values?.includes(String(value));
  return values === undefined ? schema : { ...schema, enum: values.filter((value) => !isTwin(value)) };
}

/** Client generators accept lists of one type only. */
function inOneType(schema: object): object {
  const { enum: values, ...rest } = schema as { enum?: readonly unknown[] };
  const numbers = values?.filter((value) => typeof value === 'number') ?? [];
  const texts = values?.filter((value) => typeof value === 'string') ?? [];
  if (numbers.length === 0 || texts.length === 0) return schema;
  const anyOf = [
    { type: 'integer', enum: numbers },
    { type: 'string', enum: texts },
  ];
  return { ...rest, anyOf };
}

function mapMembers(members: Record<string, object>, map: (member: object) => object): Record<string, object> {
  return Object.fromEntries(Object.entries(members).map(([name, member]) => [name, map(member)]));
}

/** An object for one type, otherwise a choice by `type`. */
function documentSchema(monitors: Registry<MonitorType>, rulesOf: (name: string) => TypeRules): object {
  const schemas = monitors.names().map((name) => {
    const { schema } = rulesOf(name);
    const isDefault = name === DEFAULT_TYPE;
    const type = { type: 'string', enum: [name], ...(isDefault ? { default: name } : {}) };
    return {
      ...schema,
      title: `${name} job`,
      description: `At most ${MAX_DEFINITION_BYTES} bytes of JSON.`,
      properties: { ...mapMembers(schema.properties, (member) => inOneType(inOneCase(member))), type },
      // The scheme of an address tells the type.
      required: rulesOf(name).type.schemes === undefined ? ['type', ...schema.required] : schema.required,
      ...SCHEDULE,
      not: { anyOf: [...EXCLUDES, ...(rulesOf(name).type.excludes ?? [])] },
    };
  });
  return schemas.length === 1 ? (schemas[0] as object) : { oneOf: schemas };
}
