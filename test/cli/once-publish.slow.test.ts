import { test } from 'tap';
import { createTestDatabase } from '../helpers/database.ts';
import { until } from '../helpers/until.ts';
import { spawnVedette, vedette } from './run.ts';

const JOBS = [
  { job_id: 1, job_name: 'up', check_period_seconds: 3600, uri: 'http://vedette.self/website_mock?status=200' },
  // Up by its status, down by its body: the verdict counts.
  {
    job_id: 2,
    job_name: 'down',
    check_period_seconds: 3600,
    uri: 'http://vedette.self/website_mock?status=200&body=No',
    pattern: 'Yes',
  },
];

const COUNTED = `SELECT job_id, up::int, down::int, missed::int, epoch::int
  FROM series_progress WHERE location = 'once' ORDER BY job_id`;

test('once --publish: a running processor counts each check exactly once', async (t) => {
  const database = await createTestDatabase(t);
  const env = { DATABASE_URL: database.connectionString };
  const cwd = t.testdir({ 'jobs.json': JSON.stringify(JOBS) });
  const serve = spawnVedette(t, ['serve', '--port', '0'], { cwd, env });
  await serve.printed(/"msg":"ready"/);

  const counts = async () => (await database.query<{ up: number; down: number; epoch: number }>(COUNTED)).rows;
  const counted = (up: number) =>
    until(`${up} counted`, async () => {
      const rows = await counts();
      return rows.length === 2 && rows[0]!.up >= up && rows[1]!.down >= up && rows;
    });

  t.match(await vedette(t, ['once'], { cwd, env }), { code: 1, stdout: /1 up, 0 degraded, 1 down/, stderr: '' });
  const first = await vedette(t, ['once', '--publish'], { cwd, env });
  t.match(first, { code: 1, stdout: /1 up, 0 degraded, 1 down/, stderr: '2 results published\n' });
  await counted(1);
  await vedette(t, ['once', '--publish'], { cwd, env });
  await counted(2);
  await Promise.all([1, 2, 3].map(() => vedette(t, ['once', '--publish', '--json'], { cwd, env })));
  t.match(await counted(5), [
    { job_id: 1, up: 5, down: 0, missed: 0 },
    { job_id: 2, up: 0, down: 5, missed: 0 },
  ]);

  const listed = await vedette(t, ['series', 'list', '--foreign', '--json'], { cwd, env });
  t.match(listed.stdout, /"location": "once"/);
  const metrics = await database.query(
    `SELECT job_id, sum(count)::int AS count FROM metrics
     WHERE location = 'once' AND granularity = 'day' GROUP BY job_id ORDER BY job_id`,
  );
  t.same(metrics.rows, [
    { job_id: 1, count: 5 },
    { job_id: 2, count: 5 },
  ]);
  const verified = await vedette(t, ['verify'], { cwd, env });
  t.match(verified, { code: 0, stdout: /^equal/ });
  const dead = await database.query('SELECT error FROM dead_letters');
  t.same(dead.rows, []);
  const owned = await database.query("SELECT FROM shard_leases WHERE location = 'once' AND owner IS NOT NULL");
  t.equal(owned.rowCount, 0, 'nothing is held afterwards');

  // As after a step back of the clock: the next slot still lies behind the last one.
  const ahead = Date.now() + 20_000;
  await database.query("UPDATE shard_leases SET progress = $1 WHERE location = 'once'", [ahead]);
  await vedette(t, ['once', '--publish'], { cwd, env });
  await counted(6);
  serve.child.kill('SIGTERM');
  t.equal((await serve.finished).code, 0);

  await vedette(t, ['once', '1', '--publish'], { cwd, env });
  t.match(await counts(), [{ up: 6, down: 0 }, { down: 6 }], 'waits in the stream while nobody counts');
  const processor = spawnVedette(t, ['process'], { cwd, env });
  // Without an API there is no practice site: it is down.
  await until('counted later', async () => (await counts())[0]!.down === 1);
  processor.child.kill('SIGTERM');
  await processor.finished;
});

test('once --publish without a database says how to get one', async (t) => {
  const cwd = t.testdir({ 'jobs.json': JSON.stringify(JOBS) });
  t.match(await vedette(t, ['once', '--publish'], { cwd }), { code: 1, stderr: /begin with `npx vedette serve`/ });
});
