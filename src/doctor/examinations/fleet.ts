import { type Instance, readInstances } from '../../installation/instances.ts';
import type { Database } from '../../postgres/database.ts';
import { type Examination, type Finding, ok, problem, warning } from '../examination.ts';

/**
 * Examines the processes that share the database: which are alive, which have died, and whether their names are unique.
 */
export const fleet: Examination = {
  name: 'fleet',
  settings: ['database', 'data_dir', 'storage.schema'],
  async examine({ tables }) {
    const database = await tables();
    if (!database) return [];
    const { live, gone } = await readInstances(database);
    if (live.length === 0) return [ok('fleet', 'no process runs'), ...gone.map(died)];
    return [
      ok('fleet', live.map(({ instanceId, roles }) => `${instanceId} (${roles.join(', ')})`).join(', ')),
      ...namesakes(live),
      ...(await missingRoles(database, live)),
      ...versions(live),
      ...gone.map(died),
    ];
  },
};

function died({ instanceId, roles, silentMs }: Instance & { silentMs: number }): Finding {
  const found = `${instanceId} (${roles.join(', ')}) was last seen ${Math.round(silentMs / 1000)} s ago and did not end in order`;
  const advice =
    'It was killed, hangs, or cannot reach PostgreSQL: look at its log. Its work was taken over; after a day it is forgotten.';
  return warning('fleet.stale', found, advice);
}

/** An instance id is its name and random characters, see app.ts. */
function namesakes(live: readonly Instance[]): Finding[] {
  const byName = new Map<string, string[]>();
  for (const { instanceId } of live) {
    const name = instanceId.replace(/-[0-9a-f]{6}$/, '');
    byName.set(name, [...(byName.get(name) ?? []), instanceId]);
  }
  return [...byName].flatMap(([name, ids]) => {
    if (ids.length < 2) return [];
    const found = `${ids.length} processes are called ${name}: ${ids.join(', ')}`;
    return [
      problem(
        'fleet.names',
        found,
        'Give each a name of its own (--instance), or none: the counters of /metrics mix otherwise.',
      ),
    ];
  });
}

async function missingRoles(database: Database, live: readonly Instance[]): Promise<Finding[]> {
  const has = (role: string) => live.some(({ roles }) => roles.includes(role));
  const { rows } = await database.query<{ running: number }>('SELECT count(*)::int AS running FROM jobs WHERE running');
  const running = rows[0]?.running ?? 0;
  const findings: Finding[] = [];
  if (!has('scheduler') && running > 0) {
    const found = `no scheduler is alive: ${running} running jobs are not checked`;
    findings.push(problem('fleet.scheduler', found, 'Start one: `vedette serve --roles scheduler`.'));
  }
  if (!has('processor') && running > 0) {
    const found = 'no processor is alive: results wait in the stream and are not counted';
    findings.push(problem('fleet.processor', found, 'Start one: `vedette process`.'));
  }
  return findings;
}

function versions(live: readonly Instance[]): Finding[] {
  const all = [...new Set(live.map(({ version }) => version))].sort();
  if (all.length < 2) return [];
  const advice = 'During an update that is as it should be; otherwise update the older ones.';
  return [warning('fleet.versions', `different versions run beside each other: ${all.join(', ')}`, advice)];
}
