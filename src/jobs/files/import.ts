import { isDeepStrictEqual } from 'node:util';
import { VedetteError } from '../../errors.ts';
import type { StoredJob } from '../definition.ts';
import type { JobRules } from '../rules.ts';
import type { JobDefinition, JobImport } from '../store.ts';
import { fullDefinition } from './export.ts';

/** The present and the new value of a field, in wire names, secrets masked; undefined where there is none. */
interface FieldChange {
  field: string;
  from: unknown;
  to: unknown;
}

/** The effect of an import. */
export interface ImportPlan {
  created: JobDefinition[];
  changed: Array<{ definition: JobDefinition; stored: StoredJob; fields: FieldChange[] }>;
  unchanged: JobDefinition[];
  /** Jobs of source `api` that the import does not contain. */
  absent: StoredJob[];
}

/** A stored job as it is exported: `enabled` says whether it runs now. */
export function exportDefinition({ job, running }: StoredJob, rules: Pick<JobRules, 'toDefinition'>): JobDefinition {
  return { ...rules.toDefinition(job), enabled: running };
}

/**
 * Compares definitions, each with its job_id, with the jobs of the database. A masked secret means the stored one. Throws
 * VED_JOB_MANAGED_BY_FILE where a job of the job files would change, VED_VALIDATION where a masked secret is not stored.
 */
export function planImport(
  definitions: readonly JobDefinition[],
  stored: readonly StoredJob[],
  rules: Pick<JobRules, 'toJob' | 'toDefinition' | 'redact' | 'restoreSecrets'>,
): ImportPlan {
  const byId = new Map(stored.map((entry) => [entry.job.jobId, entry]));
  const plan: ImportPlan = { created: [], changed: [], unchanged: [], absent: [] };
  for (const given of definitions) {
    const known = byId.get(given.job_id as number);
    byId.delete(given.job_id as number);
    const before = known && exportDefinition(known, rules);
    const definition = restored(given, before, rules);
    if (!known || !before) {
      plan.created.push(definition);
      continue;
    }
    const fields = changesOf(before, fullDefinition(definition, rules), rules.redact);
    if (fields.length === 0) plan.unchanged.push(definition);
    else if (known.source === 'file') {
      const names = fields.map(({ field }) => field).join(', ');
      const text = `Job ${known.job.jobId} is managed by the job file: edit it there (${names} would change)`;
      throw new VedetteError('VED_JOB_MANAGED_BY_FILE', text);
    } else plan.changed.push({ definition, stored: known, fields });
  }
  plan.absent = [...byId.values()].filter(({ source }) => source === 'api');
  return plan;
}

/** Returns the changes for the store; `prune`: whether absent jobs are removed. */
export function toImport({ created, changed, absent }: ImportPlan, prune: boolean): JobImport {
  return {
    created,
    changed: changed.map(({ definition, stored }) => ({ definition, version: stored.version })),
    removed: prune ? absent.map(({ job, version }) => ({ jobId: job.jobId, version })) : [],
  };
}

function restored(
  definition: JobDefinition,
  stored: JobDefinition = {},
  { restoreSecrets }: Pick<JobRules, 'restoreSecrets'>,
): JobDefinition {
  try {
    return restoreSecrets(definition, stored);
  } catch (error) {
    const { message } = error as Error;
    throw new VedetteError('VED_VALIDATION', `Job ${definition.job_id}: ${message}`, { cause: error });
  }
}

function changesOf(before: JobDefinition, after: JobDefinition, redact: JobRules['redact']): FieldChange[] {
  const [from, to] = [redact(before), redact(after)];
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .filter((field) => !isDeepStrictEqual(before[field], after[field]))
    .map((field) => ({ field, from: from[field], to: to[field] }));
}
