import { type Test, test } from 'tap';
import { createAccess } from '../../src/access/access.ts';
import { addKey } from '../../src/access/keys/key-store.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { createDatabase } from '../../src/postgres/pool.ts';
import { createTestServer } from '../api/test-server.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { databaseDefaults } from '../helpers/defaults.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';
import { createFaultProxy } from '../helpers/fault-proxy.ts';

/** A public server whose database is reached through a proxy, `direct` reaches it without. */
async function createScene(t: Test) {
  const direct = await createTestDatabase(t);
  const url = new URL(direct.connectionString);
  const proxy = await createFaultProxy(t, { host: url.hostname, port: Number(url.port) });
  url.port = String(proxy.port);
  const database = await createDatabase({ ...databaseDefaults, connectionString: url.href, logger: silentLogger });
  t.teardown(() => database.close());
  const clock = createFakeClock();
  const access = createAccess({ database, clock, settingsKeys: [], sessionIdleMs: 60_000 });
  const app = await createTestServer(t, { database, access, options: { loopback: false } });
  const make = async (name: string, lastsMs: number | null = null) => {
    const expiresAt = lastsMs === null ? null : new Date(Math.max(clock.wallMs(), Date.now()) + lastsMs);
    const key = { name, scopes: ['read', 'write'] as const, tags: null, expiresAt };
    return (await addKey(direct, { name: 'test', address: null }, key)).text;
  };
  const send = (url: string, key: string, scheme = 'Bearer', method = 'GET') =>
    app.inject({ method: method as 'GET', url, headers: { authorization: `${scheme} ${key}` } });
  return { app, proxy, clock, make, send, access };
}

for (const fault of ['cut', 'swallow'] as const) {
  test(`database ${fault}: Prometheus still gets its numbers with a key that was good, in time`, async (t) => {
    const { proxy, clock, make, send } = await createScene(t);
    const [known, unknown] = [await make('known'), await make('unknown')];
    t.match((await send('/metrics', known)).body, 'vedette_database_up 1');
    await proxy[fault]();
    const basic = ['Basic', Buffer.from(`prometheus:${known}`).toString('base64')] as const;
    for (const [scheme, credentials] of fault === 'cut' ? [['Bearer', known] as const, basic] : [basic]) {
      const begun = performance.now();
      const answer = await send('/metrics', credentials, scheme);
      t.match(answer, { statusCode: 200, body: 'vedette_database_up 0' }, answer.body);
      t.ok(performance.now() - begun < 9_000, `in ${Math.round(performance.now() - begun)} ms`);
    }
    if (fault === 'swallow') return; // The others wait for as long as a statement may take.
    for (const answer of [
      await send('/metrics', unknown),
      await send('/job', known),
      await send('/job/1', known, 'Bearer', 'DELETE'),
    ]) {
      t.match(answer.json(), { statusCode: 503, code: 'VED_DATABASE_UNAVAILABLE' });
    }
    await clock.advance(300_001);
    t.equal((await send('/metrics', known)).statusCode, 503, 'five minutes later it is forgotten');
  });
}

test('a key that expires while it is remembered', async (t) => {
  const { proxy, clock, make, send } = await createScene(t);
  clock.setWall(Date.now());
  const short = await make('short', 60_000);
  t.equal((await send('/metrics', short)).statusCode, 200);
  await proxy.cut();
  t.equal((await send('/metrics', short)).statusCode, 200);
  await clock.advance(61_000);
  t.equal((await send('/metrics', short)).statusCode, 503, 'it has expired meanwhile');
});

test('on a loopback server, whether there are people is remembered, too', async (t) => {
  const { proxy, clock, access } = await createScene(t);
  await t.rejects(
    proxy.cut().then(() => access.hasUsers()),
    'never asked',
  );
  await proxy.heal();
  t.equal(await access.hasUsers(), false);
  await proxy.cut();
  await clock.advance(2_000);
  t.equal(await access.hasUsers(), false);
  await proxy.heal();
  proxy.swallow();
  await clock.advance(2_000);
  const begun = performance.now();
  t.equal(await access.hasUsers(), false);
  t.ok(performance.now() - begun < 5_000, 'in time');
});

test('browsers are told so in pages', async (t) => {
  const { app, proxy } = await createScene(t);
  const headers = { accept: 'text/html', 'sec-fetch-site': 'same-origin', cookie: `vedette_session=${'a'.repeat(43)}` };
  await proxy.cut();
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  const payload = 'email=ada%40example.com&password=seven+green+kettles';
  for (const answer of [
    await app.inject({ url: '/', headers }),
    await app.inject({ url: '/docs', headers }),
    await app.inject({ url: '/profile', headers }),
    await app.inject({ url: '/sign-in', method: 'POST', headers: { ...headers, ...form }, payload }),
  ]) {
    t.match(answer, { statusCode: 503, headers: { 'content-type': /^text\/html/ } }, answer.body.slice(0, 300));
    t.match(answer.body, /role="alert">[^<]*PostgreSQL cannot be reached/);
  }
  t.equal((await app.inject({ url: '/sign-in', headers })).statusCode, 200);
});
