import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import { silentLogger } from '../../src/core/logger.ts';
import { createDatabase } from '../../src/postgres/pool.ts';
import { readPushToken } from '../../src/push/tokens.ts';
import { spawnVedette } from '../cli/run.ts';
import { createTestDatabaseUrl } from '../helpers/database.ts';
import { databaseDefaults } from '../helpers/defaults.ts';
import { until } from '../helpers/until.ts';

const READY = /"url":"(http:[^"]+)".*"msg":"ready"/;
const PERIOD_MS = 2_000;

test('one process takes the reports, another closes the slots; a third takes over in the middle, and none is lost', async (t) => {
  const connectionString = await createTestDatabaseUrl(t);
  const database = await createDatabase({ ...databaseDefaults, connectionString, logger: silentLogger, poolSize: 2 });
  t.teardown(() => database.close());
  const job = { job_id: 1, type: 'push', check_period_seconds: PERIOD_MS / 1_000 };
  const cwd = t.testdir({ 'jobs.json': JSON.stringify([job]) });
  const env = { DATABASE_URL: connectionString, VEDETTE_RESULTS_STORE: 'all' };
  const serve = (roles: string) =>
    spawnVedette(t, ['serve', '--roles', roles, '--port', '0', '--set', 'scheduler.lease=3s'], { cwd, env });
  const url = READY.exec(await serve('api').printed(READY))?.[1] as string;
  const processor = serve('processor');
  const first = serve('scheduler');
  await Promise.all([processor.printed(/"msg":"ready"/), first.printed(/"msg":"ready"/)]);
  const token = await until('the token', () => readPushToken(database, 1));

  let [isOver, refused] = [false, 0];
  const program = (async () => {
    while (!isOver) {
      if (!(await fetch(`${url}/push/${token}`)).ok) refused++;
      await sleep(PERIOD_MS / 5);
    }
  })();
  const reported = async (epoch: number) => {
    const { rows } = await database.query<{ slots: number }>(
      "SELECT count(*) AS slots FROM results WHERE outcome = 'up' AND epoch = $1",
      [epoch],
    );
    return rows[0]?.slots ?? 0;
  };
  await until('some slots', async () => (await reported(1)) >= 3);
  first.child.kill('SIGKILL');
  serve('scheduler');
  await until('slots of the next owner', async () => (await reported(2)) >= 4, 60_000);
  isOver = true;
  await program;
  t.equal(refused, 0);
  const { rows } = await database.query<{ slot: number; slots: number; outcome: string; reason: string | null }>(
    'SELECT slot, slots, outcome, reason FROM results ORDER BY slot',
  );
  const begun = rows.findIndex(({ outcome }) => outcome === 'up');
  const since = rows.slice(begun);
  t.strictSame(
    since.filter(({ outcome }) => outcome !== 'up'),
    [],
    'each slot since the first report has one, also those without an owner',
  );
  const distances = since.slice(1).map(({ slot }, index) => slot - (since[index]?.slot ?? 0));
  t.strictSame([...new Set(distances)], [PERIOD_MS], 'each slot once');
});
