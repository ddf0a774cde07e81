import { isLoopback } from '../../core/loopback.ts';
import { counted } from '../../core/plural.ts';
import { isExposed } from '../../installation/exposure.ts';
import { readLiveInstances } from '../../installation/instances.ts';
import { listeningOf } from '../../installation/self-address.ts';
import { type PushJobs, readUnheardJobs } from '../../push/unheard-jobs.ts';
import { type Examination, type Finding, ok, problem, warning } from '../examination.ts';

/** Examines whether programs report, and can. */
export const push: Examination = {
  name: 'push',
  settings: ['database', 'data_dir', 'storage.schema', 'server'],
  async examine({ tables, settings }) {
    const database = await tables();
    if (!database) return [];
    const jobs = await readUnheardJobs(database);
    if (jobs.running === 0) return [];
    const live = await readLiveInstances(database);
    const addresses = listeningOf(live).map(({ address }) => address);
    const isLocal = addresses.length > 0 && addresses.every(isLoopback) && !isExposed(settings);
    const findings = [judgeReports(jobs, isLocal)];
    if (live.length > 0 && !live.some(({ roles }) => roles.includes('api'))) {
      const found = 'no process with the role api is alive: programs cannot report';
      findings.push(problem('push.api', found, 'Start one: `vedette serve --roles api`.'));
    } else if (isLocal) {
      findings.push(
        ok('push.reach', `programs of this machine alone can report: the API listens on ${addresses.join(', ')}`),
      );
    }
    return findings;
  },
};

function judgeReports({ running, unheard, unheardCount }: PushJobs, isLocal: boolean): Finding {
  const all = counted(running, 'push job');
  if (unheardCount === 0) return ok('push.reports', `${all}, from none of which a first report is overdue`);
  const ids = `${unheard.join(', ')}${unheardCount > unheard.length ? ', ...' : ''}`;
  const elsewhere = isLocal
    ? ' The API listens on this machine alone: for programs elsewhere set HOST, or put a proxy in front of it (docs/access.md).'
    : '';
  return warning(
    'push.reports',
    `${all}, of which ${unheardCount} never reported: ${ids}`,
    `Let their programs report to what \`vedette jobs push-url ID\` prints; an address from before a change of the token is unknown.${elsewhere}`,
  );
}
