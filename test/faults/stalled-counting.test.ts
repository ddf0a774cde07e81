import tap, { type Test, test } from 'tap';
import { freePort } from '../../scripts/free-port.ts';
import { spawnVedette, vedette } from '../cli/run.ts';
import { createTestDatabaseUrl, testServer } from '../helpers/database.ts';
import { databaseDefaults } from '../helpers/defaults.ts';
import { createFaultProxy, type FaultProxy } from '../helpers/fault-proxy.ts';
import { until } from '../helpers/until.ts';

// Each waits half a minute several times.
tap.jobs = 3;

const READY = /"url":"(http:[^"]+)".*"msg":"ready"/;

/** API and scheduler in one process, as real ones are, with two jobs that are checked twice a second. */
async function startWeb(t: Test, databaseUrl: string, reachedThrough = databaseUrl) {
  const port = await freePort();
  const uri = `http://127.0.0.1:${port}/website_mock?status=200`;
  const jobs = [1, 2].map((job_id) => ({ job_id, check_period_seconds: 0.5, uri }));
  const cwd = t.testdir({ 'jobs.json': JSON.stringify(jobs) });
  const roles = ['--roles', 'api,scheduler', '--port', String(port)];
  const run = spawnVedette(t, ['serve', ...roles], { cwd, env: { DATABASE_URL: reachedThrough } });
  const url = READY.exec(await run.printed(READY))?.[1] as string;
  const json = async (path: string) => (await (await fetch(`${url}${path}`)).json()) as Record<string, unknown>;
  return {
    ...run,
    url,
    env: { DATABASE_URL: databaseUrl },
    status: () =>
      json('/') as Promise<{
        status: string;
        problems: string[];
        number_of_consumed_messages: number;
        stalls: Array<{ reason: string }>;
      }>,
    ready: async () => (await fetch(`${url}/health/ready`)).status,
    readiness: () => json('/health/ready'),
    metrics: async () => (await fetch(`${url}/metrics`)).text(),
  };
}

type Web = Awaited<ReturnType<typeof startWeb>>;

/** Waits until the stall is seen in all five places with this reason, and asserts it. */
async function seenEverywhere(t: Test, web: Web, reason: RegExp, { doctor = reason } = {}) {
  const isSeen = (text: string) => /stood still|cannot be told/.test(text) && reason.test(text);
  await until(`a stall: ${reason}`, async () => (await web.status()).problems.some(isSeen), 90_000);
  const { status, problems } = await web.status();
  t.match({ status, problems: problems.join('\n') }, { status: 'degraded', problems: reason });
  t.equal(await web.ready(), 503);
  t.match(JSON.stringify(await web.readiness()), reason);
  t.match(await web.metrics(), /vedette_counting_stalled 1/);
  t.match(await web.metrics(), reason);
  await web.printed(new RegExp(`"problems":\\[.*${reason.source}.*"msg":"results are not counted"`));
  const { stdout } = await vedette(t, ['doctor', '--json'], { env: web.env });
  t.match(stdout, doctor, 'doctor');
}

async function clears(t: Test, web: Web) {
  await until('an end of the stall', async () => (await web.status()).stalls.length === 0, 90_000);
  await until('readiness', async () => (await web.ready()) === 200);
  t.match(await web.metrics(), /vedette_counting_stalled 0/);
  t.notMatch((await web.status()).problems.join(), 'not counted');
  await web.printed(/"msg":"results are counted again"/);
}

async function startProcessor(t: Test, databaseUrl: string) {
  const run = spawnVedette(t, ['process'], { env: { DATABASE_URL: databaseUrl } });
  await run.printed(/"msg":"ready"/);
  return run;
}

async function proxied(t: Test, databaseUrl: string): Promise<{ proxy: FaultProxy; url: string }> {
  const { port } = await testServer();
  const proxy = await createFaultProxy(t, { host: '127.0.0.1', port });
  const url = new URL(databaseUrl);
  url.hostname = proxy.host;
  url.port = String(proxy.port);
  return { proxy, url: url.href };
}

test('no processor, then one that is frozen: seen in five places, and over when counting goes on', async (t) => {
  const databaseUrl = await createTestDatabaseUrl(t);
  const web = await startWeb(t, databaseUrl);
  await seenEverywhere(t, web, /no processor runs/);
  const processor = await startProcessor(t, databaseUrl);
  await clears(t, web);
  processor.child.kill('SIGSTOP');
  await seenEverywhere(t, web, /its owner .* was last seen \d+ s ago: it is frozen/);
  processor.child.kill('SIGCONT');
  await clears(t, web);
});

test('a processor whose flushes fail: its last error is the reason', async (t) => {
  const databaseUrl = await createTestDatabaseUrl(t);
  const web = await startWeb(t, databaseUrl);
  await startProcessor(t, databaseUrl);
  const { createDatabase } = await import('../../src/postgres/pool.ts');
  const { silentLogger } = await import('../../src/core/logger.ts');
  const database = await createDatabase({ ...databaseDefaults, connectionString: databaseUrl, logger: silentLogger });
  t.teardown(() => database.close());
  await until('counting', async () => (await web.status()).number_of_consumed_messages > 10, 90_000);
  await database.query(`
    CREATE FUNCTION fail_flush() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'the disk of the test is full' USING ERRCODE = '53100'; END $$;
    CREATE TRIGGER fail_flush BEFORE UPDATE OF next_offset ON stream_offsets
      FOR EACH ROW EXECUTE FUNCTION fail_flush()`);
  await seenEverywhere(t, web, /the disk of the test is full/);
  await database.query('DROP TRIGGER fail_flush ON stream_offsets');
  await clears(t, web);
});

test('PostgreSQL is away: seen in five places, and over when it is back', async (t) => {
  const databaseUrl = await createTestDatabaseUrl(t);
  const { proxy, url } = await proxied(t, databaseUrl);
  const web = await startWeb(t, databaseUrl, url);
  await startProcessor(t, url);
  await until('counting', async () => (await web.status()).number_of_consumed_messages > 10, 90_000);
  await proxy.cut();
  await seenEverywhere(
    t,
    { ...web, env: { DATABASE_URL: url } },
    /cannot be told for \d+ s: PostgreSQL cannot be asked/,
    {
      doctor: /PostgreSQL .* cannot be used/,
    },
  );
  await proxy.heal();
  await clears(t, web);
});
