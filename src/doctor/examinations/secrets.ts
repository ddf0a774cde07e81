import { stat } from 'node:fs/promises';
import type { LackingSecret, Referring } from '../../jobs/lacking-secrets.ts';
import { readReferringJobs } from '../../jobs/referring-jobs.ts';
import { type Examination, type Finding, ok, problem, warning } from '../examination.ts';

/** Examines whether the secrets that jobs refer to have values on this machine. */
export const secrets: Examination = {
  name: 'secrets',
  settings: ['secrets', 'jobs_file', 'monitors', 'database', 'data_dir', 'storage.schema'],
  async examine({ settings, loadJobs, lackingSecrets, tables }) {
    const { folder, file } = settings.secrets;
    const places = await Promise.all([lookAt(folder, 'secrets.folder'), lookAt(file, 'secrets.file')]);
    // What is wrong with either is a finding of another examination.
    const [ofFile, database] = await Promise.all([loadJobs().catch(() => null), tables().catch(() => null)]);
    const jobs = new Map<number, Referring>();
    for (const job of ofFile ?? []) {
      if (job.enabled && job.locations.includes(settings.location)) jobs.set(job.jobId, job);
    }
    const stored = database === null ? [] : await readReferringJobs(database, settings.location, MAX_JOBS);
    for (const job of stored) jobs.set(job.jobId, job);
    const isChecking = settings.roles.includes('scheduler');
    const lacking = await lackingSecrets(jobs.values());
    const findings = [...places.flat(), ...lacking.slice(0, MAX_SHOWN).map((secret) => judge(secret, isChecking))];
    if (lacking.length > MAX_SHOWN)
      findings.push(warning('secrets.missing', `${lacking.length - MAX_SHOWN} further secrets have no value`, ADVICE));
    return findings;
  },
};

const MAX_SHOWN = 20;
const MAX_JOBS = 10_000;
const ADVICE = 'Put it there, or mend the name in the job: until then its slots are missed (internal).';

async function lookAt(path: string | null, name: string): Promise<Finding[]> {
  if (path === null) return [];
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => error);
  if (found instanceof Error) {
    return [warning(name, `${path} cannot be read: ${found.code}`, 'Mount it, or change the setting.')];
  }
  const isRight = name === 'secrets.folder' ? found.isDirectory() : found.isFile();
  if (!isRight) return [warning(name, `${path} is not a ${name.slice(8)}`, 'Change the setting.')];
  return [ok(name, path)];
}

function judge({ name, fault, jobIds }: LackingSecret, isChecking: boolean): Finding {
  const ids = jobIds.slice(0, MAX_SHOWN).join(', ');
  const found = `${name} of ${jobIds.length === 1 ? 'job' : 'jobs'} ${ids}: ${fault}`;
  if (isChecking) return problem('secrets.missing', found, ADVICE);
  return warning('secrets.missing', found, 'This process checks nothing: look on the machines of the schedulers, too.');
}
