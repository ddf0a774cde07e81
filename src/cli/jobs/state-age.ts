import type { Database } from '../../postgres/database.ts';
import { formatAge, formatInstant, type JobState } from '../../stats/index.ts';
import type { Cli } from '../context.ts';

/** Says how old the states are when no scheduler runs: then they are what was seen last, not what is. */
export async function sayAge({ stderr }: Cli, database: Database, states: Iterable<JobState>): Promise<void> {
  const { readLiveInstances } = await import('../../installation/instances.ts');
  const live = await readLiveInstances(database);
  if (live.some(({ roles }) => roles.includes('scheduler'))) return;
  const newest = Math.max(...[...states].map(({ last }) => last?.ts ?? Number.NEGATIVE_INFINITY));
  if (newest === Number.NEGATIVE_INFINITY) return;
  stderr.line(
    `No scheduler runs: these states are old, the newest is of ${formatInstant(newest)} (${formatAge(Date.now() - newest)}).`,
  );
}
