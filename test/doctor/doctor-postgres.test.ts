import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import { test } from 'tap';
import { systemClock } from '../../src/core/clock.ts';
import { createJobStore } from '../../src/jobs/postgres-store.ts';
import { createPushReports } from '../../src/push/reports.ts';
import { readPushToken } from '../../src/push/tokens.ts';
import { testJobRules } from '../api/test-job-rules.ts';
import { createTestDatabase, createTestDatabaseUrl } from '../helpers/database.ts';
import { findings, findingsOn, finds } from './examine.ts';

const PORT = { PORT: '0' };
const on = (url: string) => ({ ...PORT, DATABASE_URL: url });

test('a migrated database with all rights: no problem', async (t) => {
  const all = await findings(t, on(await createTestDatabaseUrl(t)));
  t.same(
    all.filter(({ verdict }) => verdict === 'problem'),
    [],
  );
  finds(t, all, { name: 'postgres.rights', verdict: 'ok', found: /all that a process needs/ });
});

test('a public server: a key or a user in the database is enough', async (t) => {
  const database = await createTestDatabase(t);
  const env = { DATABASE_URL: database.connectionString, HOST: '::ffff:127.0.0.1', PORT: '0' };
  const lacks = async () => (await findings(t, env)).some(({ name }) => name === 'api.keys');
  t.ok(await lacks());
  await database.query("INSERT INTO users (email, scopes, created_by) VALUES ('ada@example.com', '{admin}', 'test')");
  t.notOk(await lacks());
  await database.query('UPDATE users SET disabled_at = now()');
  t.ok(await lacks(), 'somebody who may not sign in');
  await database.query(
    "INSERT INTO api_keys (name, prefix, hash, scopes, created_by) VALUES ('a', 'b', 'c', '{read}', 'test')",
  );
  t.notOk(await lacks());
});

test('PostgreSQL cannot be reached', async (t) => {
  const all = await findings(t, on('postgres://u:hidden@127.0.0.1:1/d'));
  finds(t, all, {
    name: 'postgres.server',
    verdict: 'problem',
    found: /ECONNREFUSED/,
    advice: /Is PostgreSQL running there/,
  });
  finds(t, all, {
    name: 'fleet',
    verdict: 'warning',
    found: /because PostgreSQL cannot be used/,
    advice: /See the findings about PostgreSQL first/,
  });
  t.notMatch(JSON.stringify(all), 'hidden');
  finds(t, await findings(t, on('postgres://u@vedette.invalid/d')), {
    name: 'postgres.server',
    verdict: 'problem',
    found: /vedette\.invalid/,
    advice: /typing error in DB_HOST/,
  });
});

test('a server that takes connections and says nothing does not hold the doctor up', async (t) => {
  const server = createServer(() => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const begun = performance.now();
  const all = await findings(t, on(`postgres://u:p@127.0.0.1:${(server.address() as { port: number }).port}/d`));
  finds(t, all, {
    name: 'postgres.server',
    verdict: 'problem',
    found: /timeout|answer/,
    advice: /Nothing answers|hangs/,
  });
  t.ok(performance.now() - begun < 15_000);
});

test('wrong password, wrong database', async (t) => {
  const url = new URL(await createTestDatabaseUrl(t));
  const other = new URL(url);
  other.pathname = '/missing';
  finds(t, await findings(t, on(String(other))), {
    name: 'postgres.server',
    verdict: 'problem',
    found: /"missing" does not exist/,
    advice: /createdb missing/,
  });
  url.password = 'wrong';
  finds(t, await findings(t, on(String(url))), {
    name: 'postgres.server',
    verdict: 'problem',
    found: /password authentication failed/,
    advice: /DB_USER and DB_PASS/,
  });
});

test('a PostgreSQL that is too old', async (t) => {
  finds(t, await findingsOn(t, { oldestPostgres: 99 }, on(await createTestDatabaseUrl(t))), {
    name: 'postgres.version',
    verdict: 'problem',
    found: /is \d+, needed is 99 or newer/,
    advice: /Upgrade PostgreSQL/,
  });
});

test('migrations are pending', async (t) => {
  const all = await findings(t, on(await createTestDatabaseUrl(t, { migrated: false })));
  finds(t, all, {
    name: 'postgres.migrations',
    verdict: 'warning',
    found: /not applied yet: 0001-initial\.sql/,
    advice: /vedette db migrate/,
  });
});

test('a user without the rights it needs', async (t) => {
  const database = await createTestDatabase(t);
  const user = `doctor_${randomBytes(4).toString('hex')}`;
  await database.query(`CREATE ROLE ${user} LOGIN PASSWORD 'p'`);
  t.teardown(async () => {
    await database.query(`DROP OWNED BY ${user}`);
    await database.query(`DROP ROLE ${user}`);
  });
  const url = new URL(database.connectionString);
  url.username = user;
  url.password = 'p';
  const none = await findings(t, on(String(url)));
  finds(t, none, {
    name: 'postgres.rights',
    verdict: 'problem',
    found: /may not/,
    advice: /vedette db grants/,
  });
  await database.query(`GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${user}`);
  await database.query(`GRANT INSERT, UPDATE, DELETE ON jobs TO ${user}`);
  const some = await findings(t, on(String(url)));
  finds(t, some, {
    name: 'postgres.rights',
    verdict: 'problem',
    found: /ensure_metric_partition\(.*\) \(EXECUTE\).* metrics \(INSERT, UPDATE\)/,
    advice: /vedette db grants/,
  });
  t.notMatch(some.find(({ name }) => name === 'postgres.rights')?.found, /jobs \(|schema_migrations/);
  const pending = new URL(await createTestDatabaseUrl(t, { migrated: false }));
  pending.username = user;
  pending.password = 'p';
  finds(t, await findings(t, on(String(pending))), {
    name: 'postgres.migrations',
    verdict: 'problem',
    found: new RegExp(`${user} may not create tables`),
    advice: /as a user who may/,
  });
});

test('clocks that differ', async (t) => {
  const env = on(await createTestDatabaseUrl(t));
  const behind = (ms: number) => findingsOn(t, { machine: { wallMs: () => Date.now() - ms } }, env);
  finds(t, await behind(3_000), {
    name: 'clock',
    verdict: 'warning',
    found: /^this machine is \d{4} ms behind/,
    advice: /NTP/,
  });
  finds(t, await behind(-3_600_000), {
    name: 'clock',
    verdict: 'problem',
    found: /ahead of PostgreSQL/,
    advice: /NTP/,
  });
});

test('the fleet: names taken twice, the dead, roles that nobody has', async (t) => {
  const database = await createTestDatabase(t);
  const env = on(database.connectionString);
  finds(t, await findings(t, env), { name: 'fleet', verdict: 'ok', found: /no process runs/ });
  const beat = (id: string, roles: string, version: string, ago: string) =>
    database.query(
      `INSERT INTO instances (instance_id, roles, location, version, started_at, seen_at, stats)
       VALUES ($1, string_to_array($2, ','), 'default', $3, now(), now() - $4::interval, '{}')`,
      [id, roles, version, ago],
    );
  await beat('web-a1b2c3', 'api', '0.1.0', '0 s');
  await beat('web-d4e5f6', 'api', '0.2.0', '0 s');
  await beat('worker-0a0b0c', 'scheduler,processor', '0.1.0', '3 min');
  await database.query(
    `INSERT INTO jobs (job_id, definition, version, running, source, revision) VALUES (1, '{}', 1, true, 'api', 1)`,
  );
  await database.query(
    `INSERT INTO dead_letters (topic, partition, record_offset, line, bytes, error) VALUES ('checks', 0, 1, 0, 'x', 'no JSON')`,
  );
  // The log says what waits, whatever processes believe.
  await database.query("INSERT INTO stream_heads (topic, partition, next_offset) VALUES ('checks', 0, 5000)");
  await database.query("SELECT ensure_stream_partition(now() - interval '2 hours', now())");
  await database.query(
    `INSERT INTO stream_records (topic, partition, record_offset, at, size, value)
     VALUES ('checks', 0, 0, now() - interval '1 hour', 1, 'x')`,
  );
  const all = await findings(t, env);
  finds(t, all, { name: 'fleet.names', verdict: 'problem', found: /2 processes are called web/, advice: /--instance/ });
  finds(t, all, {
    name: 'fleet.stale',
    verdict: 'warning',
    found: /worker-0a0b0c .* 1[89]\d s ago/,
    advice: /killed, hangs/,
  });
  finds(t, all, {
    name: 'fleet.scheduler',
    verdict: 'problem',
    found: /1 running jobs are not checked/,
    advice: /--roles scheduler/,
  });
  finds(t, all, {
    name: 'fleet.processor',
    verdict: 'problem',
    found: /no processor is alive/,
    advice: /vedette process/,
  });
  finds(t, all, { name: 'fleet.versions', verdict: 'warning', found: /0\.1\.0, 0\.2\.0/, advice: /update/ });
  finds(t, all, {
    name: 'counting.lag',
    verdict: 'problem',
    found: /5000 records wait to be counted, and none/,
    advice: /Add a processor/,
  });
  finds(t, all, {
    name: 'counting.stalled',
    verdict: 'problem',
    found: /^checks\/0: 5000 records have waited for longer than 30 s: its owner|no processor runs$/,
    advice: /vedette process/,
  });
  finds(t, all, {
    name: 'counting.dead_letters',
    verdict: 'warning',
    found: /1 record .* no JSON/,
    advice: /dead_letters/,
  });
});

test('push jobs that never reported, and an API that programs cannot reach', async (t) => {
  const database = await createTestDatabase(t);
  const store = createJobStore({ database, clock: systemClock, ...testJobRules });
  const env = on(database.connectionString);
  const names = async () => (await findings(t, env)).filter(({ name }) => name.startsWith('push.'));
  t.strictSame(await names(), [], 'there are no push jobs');
  const { job } = await store.create({ type: 'push', job_name: 'backup' });
  const { job: nightly } = await store.create({ type: 'push', check_cron: '0 3 * * *' });
  finds(t, await findings(t, env), { name: 'push.reports', verdict: 'ok', found: /2 push jobs, from none/ });
  await database.query("UPDATE jobs SET created_at = now() - interval '10 minutes'");
  const advice = /vedette jobs push-url ID/;
  const found = new RegExp(`2 push jobs, of which 1 never reported: ${job.jobId}$`);
  finds(t, await findings(t, env), { name: 'push.reports', verdict: 'warning', found, advice });
  await database.query("UPDATE jobs SET created_at = now() - interval '2 days'");
  finds(t, await findings(t, env), {
    ...{ name: 'push.reports', verdict: 'warning', advice },
    found: new RegExp(`of which 2 never reported: ${job.jobId}, ${nightly.jobId}$`),
  });
  const { take } = createPushReports({ database, clock: systemClock });
  await take((await readPushToken(database, job.jobId))!, { kind: 'down' }, new AbortController().signal);
  await store.setRunning(nightly.jobId, false);
  finds(t, await findings(t, env), { name: 'push.reports', verdict: 'ok', found: /1 push job, / });

  const run = (roles: string, address: string | null) =>
    database.query(
      `INSERT INTO instances (instance_id, roles, location, version, started_at, seen_at, stats)
       VALUES ('a', $1, 'default', '0.1.0', now(), now(), $2)
       ON CONFLICT (instance_id) DO UPDATE SET roles = excluded.roles, stats = excluded.stats, seen_at = now()`,
      [roles, { listening: address && { machine: 'm', address, port: 80, outside: [] } }],
    );
  await run('{scheduler}', null);
  finds(t, await findings(t, env), {
    ...{ name: 'push.api', verdict: 'problem', found: /programs cannot report/, advice: /--roles api/ },
  });
  await run('{api}', '127.0.0.1');
  finds(t, await findings(t, env), { name: 'push.reach', verdict: 'ok', found: /this machine alone.* 127\.0\.0\.1/ });
  await run('{api}', '0.0.0.0');
  t.strictSame(
    (await names()).map(({ name }) => name),
    ['push.reports'],
  );
});
