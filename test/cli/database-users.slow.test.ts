import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { type Test, test } from 'tap';
import { silentLogger } from '../../src/core/logger.ts';
import { createDatabase } from '../../src/postgres/pool.ts';
import { createTestUsers } from '../helpers/database-users.ts';
import { databaseDefaults } from '../helpers/defaults.ts';
import { spawnVedette, vedette } from './run.ts';

/** Every other answer is an error, for each path. */
async function createSite(t: Test): Promise<string> {
  const asked: Record<string, number> = {};
  const server = createServer(({ url = '' }, response) => {
    asked[url] = (asked[url] ?? 0) + 1;
    response.statusCode = asked[url] % 2 === 0 ? 200 : 500;
    response.end('ok');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

async function connect(t: Test, connectionString: string, schema: string) {
  const database = await createDatabase({
    ...databaseDefaults,
    connectionString,
    schema,
    logger: silentLogger,
    poolSize: 2,
  });
  t.teardown(() => database.close());
  return database;
}

test('three users: one makes the tables, one runs Vedette, one looks', async (t) => {
  const { adminUrl, names, urlOf } = await createTestUsers(t);
  const site = await createSite(t);
  const cwd = t.testdir({
    'jobs.json': JSON.stringify([
      { job_id: 1, job_name: 'shop', check_period_seconds: 0.25, uri: site, topic: 'apache' },
      { job_id: 2, job_name: 'blog', check_period_seconds: 0.25, uri: `${site}blog`, topic: 'jobs' },
    ]),
  });
  const env = { VEDETTE_STORAGE_SCHEMA: 'site_checker' };
  const flags = Object.entries(names).flatMap(([kind, name]) => [`--${kind}`, name]);
  const granted = await vedette(t, ['db', 'grants', ...flags, '--apply'], {
    cwd,
    env: { ...env, DATABASE_URL: adminUrl },
  });
  t.match(granted, { code: 0, stdout: `Now make the tables: run \`npx vedette db migrate\` as ${names.migrator}\n` });
  const asWriter = { cwd, env: { ...env, DATABASE_URL: await urlOf(names.writer) } };
  t.match(await vedette(t, ['serve', '--port', '0'], asWriter), {
    code: 1,
    stderr:
      /user writer_\w+ may not make them .* run `npx vedette db migrate` as the user who owns .*\[VED_DATABASE_FORBIDDEN\]/,
  });
  const asMigrator = { cwd, env: { ...env, DATABASE_URL: await urlOf(names.migrator) } };
  t.match(await vedette(t, ['db', 'migrate'], asMigrator), { code: 0, stdout: /^applied 0001/ });

  const run = spawnVedette(t, ['serve', '--port', '0'], asWriter);
  const printed = await run.printed(/"url":"(http:[^"]+)".*"msg":"ready"/);
  const url = /"url":"(http:[^"]+)"/.exec(printed)?.[1] as string;
  const reader = await connect(t, await urlOf(names.reader), 'site_checker');
  const results = async () => {
    const sql = "SELECT count(*) AS n FROM check_results WHERE outcome <> 'missed' GROUP BY job_id HAVING count(*) > 3";
    return (await reader.query(sql)).rowCount;
  };
  for (let left = 200; left > 0 && (await results()) < 2; left--) await delay(100);
  const { rows } = await reader.query(
    "SELECT * FROM site_checker.apache WHERE outcome <> 'missed' ORDER BY check_time LIMIT 4",
  );
  t.match(rows, Array(4).fill({ job_id: 1, job_name: 'shop', version: 1, length: 2, topic: 'apache' }));
  t.strictSame([...new Set(rows.map(({ success, code }) => `${success} ${code}`))].sort(), ['false 500', 'true 200']);
  const checks = await reader.query<{ last_check: Date | null }>('SELECT last_check FROM job_checks WHERE running');
  t.strictSame(
    checks.rows.map(({ last_check }) => last_check !== null),
    [true, true],
  );
  t.match(await (await fetch(`${url}/job/1`)).json(), { running: true });
  t.equal((await fetch(`${url}/health/ready`)).status, 200);
  const initialised = await fetch(`${url}/db/init`, { method: 'POST' });
  t.equal(initialised.status, 200, 'nothing to make');
  run.child.kill('SIGTERM');
  const { code, stdout } = await run.finished;
  t.equal(code, 0);
  t.match(stdout, /"topic":"jobs","problem":"the schema has another table of this name"/);
  t.notMatch(stdout, /"level":50|permission denied/);
  t.match(await vedette(t, ['verify'], asWriter), { stdout: /\b0 differences/, stderr: '' });
});

test('several Vedettes in schemas of one database, each keeping other raw results', async (t) => {
  const { adminUrl } = await createTestUsers(t);
  const site = await createSite(t);
  const cwd = t.testdir({
    'jobs.json': JSON.stringify([{ job_id: 1, job_name: 'site', check_period_seconds: 0.25, uri: site }]),
  });
  await Promise.all(
    ['all', 'failures', 'none'].map(async (store) => {
      const schema = `keeps_${store}`;
      const env = {
        DATABASE_URL: adminUrl,
        VEDETTE_STORAGE_SCHEMA: schema,
        VEDETTE_RESULTS_STORE: store,
        VEDETTE_STORAGE_TOPIC_VIEWS: String(store !== 'none'),
      };
      const run = spawnVedette(t, ['serve', '--port', '0'], { cwd, env });
      await run.printed(/"msg":"ready"/);
      const database = await connect(t, adminUrl, schema);
      const totals = async () => {
        const { rows } = await database.query<{ count: number; up: number }>('SELECT count, up FROM series_progress');
        return rows[0] ?? { count: 0, up: 0 };
      };
      // Both kinds of answers.
      for (let left = 200, seen = await totals(); left > 0 && (seen.up < 2 || seen.up > seen.count - 2); left--) {
        await delay(100);
        seen = await totals();
      }
      run.child.kill('SIGTERM');
      t.match(await run.finished, { code: 0 });
      const { count, up } = await totals();
      const kept = { all: count, failures: count - up, none: 0 }[store];
      // A busy machine misses slots, which are kept as ranges.
      const stored = await database.query('SELECT coalesce(sum(slots), 0)::integer AS n FROM check_results');
      t.strictSame(stored.rows, [{ n: kept }], `results.store ${store}`);
      const counted = await database.query("SELECT sum(count)::integer AS n FROM metrics WHERE granularity = 'minute'");
      t.strictSame(counted.rows, [{ n: count }]);
      const { rows } = await database.query("SELECT to_regclass('checks') IS NOT NULL AS shown");
      t.strictSame(rows, [{ shown: store !== 'none' }]);
      t.match(await vedette(t, ['verify'], { cwd, env }), { stdout: /\b0 differences/, stderr: '' });
    }),
  );
});

test('db grants prints SQL, and refuses names that cannot be', async (t) => {
  const printed = await vedette(t, ['db', 'grants', '--writer', 'a"b\'c'], {
    env: { VEDETTE_STORAGE_SCHEMA: 'numbers' },
  });
  t.match(printed, { code: 0, stderr: '' });
  t.match(printed.stdout, /\nBEGIN;\n.*GRANT USAGE ON SCHEMA "numbers" TO "a""b'c", "vedette_reader";.*COMMIT;\n$/s);
  for (const writer of ['', 'pg_writer', 'public', 'x'.repeat(64), 'vedette_reader']) {
    t.match(await vedette(t, ['db', 'grants', '--writer', writer]), { code: 2, stderr: /\[VED_USAGE\]/ }, writer);
  }
});
