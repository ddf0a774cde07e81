import type { Registry } from '../core/registry.ts';
import type { MonitorType } from '../monitors/monitor.ts';
import type { SecretStore } from '../secrets/store.ts';
import type { ProbedJob } from './prepare.ts';
import { referencesOf } from './secret-references.ts';
import type { JobDefinition } from './store.ts';

/** A secret that jobs refer to and that has no value here. */
export interface LackingSecret {
  name: string;
  /** Why, for people. */
  fault: string;
  jobIds: number[];
}

/** `type` is null where the options are a whole definition, which tells it. */
export interface Referring extends Pick<ProbedJob, 'jobId' | 'options'> {
  type: string | null;
}

/** Returns a function that finds the secrets that jobs lack in this process, by name. */
export function createLackOfSecrets(
  monitors: Registry<MonitorType>,
  secrets: SecretStore,
  typeOf: (definition: JobDefinition) => unknown,
): (jobs: Iterable<Referring>) => Promise<LackingSecret[]> {
  return async (jobs) => {
    const jobIds = new Map<string, number[]>();
    for (const job of jobs) {
      const type = job.type ?? String(typeOf(job.options));
      const names = monitors.has(type) ? referencesOf(job.options, monitors.get(type)) : null;
      for (const name of names ?? []) {
        const ids = jobIds.get(name);
        if (ids) ids.push(job.jobId);
        else jobIds.set(name, [job.jobId]);
      }
    }
    const lacking: LackingSecret[] = [];
    const names = [...jobIds.keys()].sort();
    // Some at a time, so that files are left for others.
    for (let at = 0; at < names.length; at += AT_A_TIME) {
      for (const secret of await secrets.read(names.slice(at, at + AT_A_TIME))) {
        if ('value' in secret) continue;
        lacking.push({ name: secret.name, fault: secret.fault, jobIds: jobIds.get(secret.name) ?? [] });
      }
    }
    return lacking;
  };
}

const AT_A_TIME = 50;
