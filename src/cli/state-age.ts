import { counted } from '../core/plural.ts';
import type { Database } from '../postgres/database.ts';
import type { JobState } from '../stats/index.ts';
import type { Cli } from './context.ts';
import { formatInstant } from './time.ts';

/** Says how old the states are when no scheduler runs: then they are what was seen last, not what is. */
export async function sayAge({ stderr }: Cli, database: Database, states: Iterable<JobState>): Promise<void> {
  const { readLiveInstances } = await import('../installation/instances.ts');
  const live = await readLiveInstances(database);
  if (live.some(({ roles }) => roles.includes('scheduler'))) return;
  const newest = Math.max(...[...states].map(({ last }) => last?.ts ?? Number.NEGATIVE_INFINITY));
  if (newest === Number.NEGATIVE_INFINITY) return;
  stderr.line(
    `No scheduler runs: these states are old, the newest is of ${formatInstant(newest)} (${describeAge(Date.now() - newest)}).`,
  );
}

const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
] as const;

function describeAge(ms: number): string {
  const [unit, size] = UNITS.find(([, size]) => ms >= size) ?? UNITS[3];
  return `${counted(Math.max(0, Math.floor(ms / size)), unit)} ago`;
}
