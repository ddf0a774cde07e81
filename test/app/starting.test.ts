import { type Test, test } from 'tap';
import { freePort } from '../../scripts/free-port.ts';
import { createApp } from '../../src/app.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { findLive } from '../../src/installation/self-address.ts';
import { loadSettings } from '../../src/settings.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/database.ts';
import { until } from '../helpers/until.ts';

function createApi(t: Test, database: TestDatabase, port: number) {
  const env = { DATABASE_URL: database.connectionString, PORT: String(port), VEDETTE_ROLES: 'api' };
  const app = createApp(loadSettings({ env, cwd: t.testdir() }), { logger: silentLogger, version: '1' });
  t.teardown(() => app.close());
  return app;
}

test('others find a process as soon as it has started, not with its next heartbeat', async (t) => {
  const database = await createTestDatabase(t);
  const { url } = await createApi(t, database, 0).start();
  t.same(await findLive(database), { address: '127.0.0.1', port: Number(new URL(url as string).port) });
  t.equal((await fetch(`${url}/health/ready`)).status, 200);
});

test('a process that listens is not ready until others can find it', async (t) => {
  const database = await createTestDatabase(t);
  await database.query(`
    CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1); RETURN new; END $$;
    CREATE TRIGGER slowly BEFORE INSERT OR UPDATE ON instances
      FOR EACH ROW WHEN (new.stats ? 'listening') EXECUTE FUNCTION slowly()`);
  const port = await freePort();
  const started = createApi(t, database, port).start();
  const readiness = async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/health/ready`).catch(() => null);
    return answer && { status: answer.status, body: await answer.json() };
  };
  let first: Awaited<ReturnType<typeof readiness>> = null;
  await until('an answer', async () => {
    first = await readiness();
    return first !== null;
  });
  t.match(first, { status: 503, body: { checks: [{ name: 'process', reason: 'it is starting' }] } });
  await started;
  t.match(await readiness(), { status: 200 });
});
