import { setTimeout as delay } from 'node:timers/promises';
import { readLiveInstances } from '../storage/instances.ts';
import { type Examination, type Finding, ok, problem, warning } from './examination.ts';

/** Heartbeats come every 2 s. */
const BETWEEN_MS = 2_500;
/** Records that may wait without anybody noticing. */
const SMALL_LAG = 1_000;

/** Whether what is checked is also counted. */
export const counting: Examination = {
  name: 'counting',
  settings: ['database', 'data_dir', 'storage.schema'],
  async examine({ tables }) {
    const database = await tables();
    if (!database) return [];
    const lag = async () => {
      const live = await readLiveInstances(database);
      return live.reduce((sum, { stats }) => sum + Number(stats.lag ?? 0), 0);
    };
    const before = await lag();
    if (before > SMALL_LAG) await delay(BETWEEN_MS);
    const after = before > SMALL_LAG ? await lag() : before;
    const { rows } = await database.query<{ count: number; error: string | null }>(
      `SELECT count(*)::int AS count, (array_agg(error ORDER BY id DESC))[1] AS error FROM dead_letters WHERE at > now() - interval '1 day'`,
    );
    return [judgeLag(before, after), ...judgeDeadLetters(rows[0] ?? { count: 0, error: null })];
  },
};

function judgeLag(before: number, after: number): Finding {
  if (after <= SMALL_LAG) return ok('counting.lag', `${after} records wait to be counted`);
  const found = `${after} records wait to be counted`;
  if (after < before)
    return warning('counting.lag', `${found}, falling`, 'Processors are catching up: wait, or add one.');
  const advice =
    'Add a processor (`vedette process`), up to one for each partition, and look at the load of PostgreSQL.';
  return problem('counting.lag', `${found}, ${before === after ? 'and none is counted' : 'and it grows'}`, advice);
}

function judgeDeadLetters({ count, error }: { count: number; error: string | null }): Finding[] {
  if (count === 0) return [];
  const found = `${count} records of the last day could not be read, the last one because: ${error}`;
  const advice = 'Look at GET /dead-letters, or TABLE dead_letters: who writes such records into the topic?';
  return [warning('counting.dead_letters', found, advice)];
}
