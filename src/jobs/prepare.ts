import { nearest } from '../core/nearest.ts';
import type { Registry } from '../core/registry.ts';
import { formatProblem, type Problem } from '../core/validation.ts';
import { VedetteError } from '../errors.ts';
import { shorten } from '../monitors/failure.ts';
import type { MonitorContext, MonitorType, Probe, ProbeResult } from '../monitors/monitor.ts';
import { NO_SECRETS, type Secret, type SecretStore } from '../secrets/store.ts';
import type { Job } from './definition.ts';
import { maskReport } from './mask-report.ts';
import { createReferringProbe } from './referring-probe.ts';
import { referencesOf, withSecrets } from './secret-references.ts';

/** The part of a job that its probe needs. */
export type ProbedJob = Pick<Job, 'jobId' | 'type' | 'options' | 'secrets'>;

/**
 * Returns a function that makes the probe of a job, and throws VED_VALIDATION if its type is unknown or its options are
 * invalid. The secrets that the options refer to are read when the probe is used.
 */
export function createPrepare(
  monitors: Registry<MonitorType>,
  context: MonitorContext,
  secrets: SecretStore = NO_SECRETS,
): (job: ProbedJob) => Probe {
  return (job) => {
    if (!monitors.has(job.type)) {
      const text = formatProblem(unknownType(job.type, monitors.names()));
      throw new VedetteError('VED_VALIDATION', `job ${job.jobId}: ${text}`);
    }
    const type = monitors.get(job.type);
    const probe = type.prepare(job.options, context);
    const names = referencesOf(job.options, type);
    if (names === null) return masked(probe, job, type);
    return createReferringProbe({
      names,
      store: secrets,
      make: (read) => probeWith(read, job, type, context),
      keeps: probe.keeps === true,
    });
  };
}

export function unknownType(given: unknown, names: readonly string[]): Problem {
  const meant = typeof given === 'string' ? nearest(given, names) : undefined;
  return { path: 'type', given, accepted: `one of ${names.join(', ')}${meant ? `; did you mean ${meant}?` : ''}` };
}

/** Returns the probe of a job with the values of its secrets. */
function probeWith(secrets: readonly Secret[], job: ProbedJob, type: MonitorType, context: MonitorContext): Probe {
  const values = new Map<string, string>();
  const faults: string[] = [];
  for (const secret of secrets) {
    if ('value' in secret) values.set(secret.name, secret.value);
    else faults.push(`secret ${secret.name}: ${secret.fault}`);
  }
  if (faults.length > 0) return unmade(faults.join('; '));
  const options = withSecrets(job.options, type, values);
  if (typeof options === 'string') return unmade(options);
  const referred = [...values.values()];
  const [problem] = type.problems?.(options) ?? [];
  if (problem === undefined) return masked(type.prepare(options, context), { ...job, options }, type, referred);
  const text = `${problem.path} cannot be used with secret ${[...values.keys()].join(', ')}, accepted: ${problem.accepted}`;
  return unmade(maskReport(text, { definition: {}, secrets: [], encoded: [], referred }));
}

/** A check that cannot be made says nothing about the site. */
function unmade(text: string): Probe {
  const detail = shorten(text);
  return async () => ({
    outcome: 'missed',
    reason: 'internal',
    status: null,
    responseTime: null,
    timings: {},
    detail,
  });
}

/** A detail or fact may repeat a secret of the job, and is published and shown. */
function masked(
  probe: Probe,
  { options, secrets: names }: ProbedJob,
  type: MonitorType,
  referred: readonly string[] = [],
): Probe {
  const mask = <T>(value: T): T => {
    const definition = { ...options, secrets: names };
    const encoded = type.encodedSecrets?.(options) ?? [];
    return maskReport(value, { definition, secrets: type.secrets, encoded, referred });
  };
  const check = async (request: Parameters<Probe>[0]) => {
    const trying = probe(request);
    const result = await (referred.length === 0 ? trying : trying.catch((error) => rethrow(mask(String(error)))));
    if (result.values !== undefined) requireDeclared(result, type);
    if (result.detail !== undefined) result.detail = mask(result.detail);
    if (result.facts !== undefined) result.facts = mask(result.facts);
    return result;
  };
  const { keeps = false, needsMainThread = false } = probe;
  return Object.assign(check, { keeps, needsMainThread, close: () => probe.close?.() });
}

/** Throws for a defect of the type; what a site can bring about is none. */
function requireDeclared({ outcome, values = {} }: ProbeResult, { name, values: declared = {} }: MonitorType): void {
  const undeclared = Object.keys(values).filter((value) => !Object.hasOwn(declared, value));
  if (undeclared.length > 0) {
    throw new Error(`The monitor type ${name} gave values that it does not declare: ${undeclared.join(', ')}`);
  }
  if (outcome === 'missed') throw new Error(`The monitor type ${name} gave values with the outcome missed`);
}

/** An error against the contract of probes is logged, with whatever it holds. */
function rethrow(text: string): never {
  throw new Error(text);
}
