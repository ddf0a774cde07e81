import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Test, test } from 'tap';
import { createTestDatabase } from '../helpers/database.ts';
import { until } from '../helpers/until.ts';
import { spawnVedette } from './run.ts';

const READY = /"msg":"ready"/;
const KEY = 'key-of-the-public-api';

/** A site inside, which counts those who connect. */
async function createInnerSite(t: Test) {
  const server = createServer((_request, response) => response.end('inner'));
  const site = { connections: 0, uri: '' };
  server.on('connection', () => site.connections++);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.2', resolve));
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  site.uri = `http://127.0.0.2:${(server.address() as AddressInfo).port}/`;
  return site;
}

test('a scheduler on loopback beside a public API connects to nothing inside, until that API is long gone', async (t) => {
  const site = await createInnerSite(t);
  const database = await createTestDatabase(t);
  const cwd = t.testdir({});
  const env = { DATABASE_URL: database.connectionString };
  const startScheduler = async () => {
    const run = spawnVedette(t, ['serve', '--roles', 'scheduler,processor'], { cwd, env });
    await run.printed(READY);
    return run;
  };
  const api = spawnVedette(t, ['serve', '--roles', 'api', '--port', '0'], {
    cwd,
    // Public in Vedette's eyes, yet within this machine.
    env: { ...env, HOST: '::ffff:127.0.0.1', VEDETTE_SERVER_API_KEYS: KEY },
  });
  const port = /"url":"http:\/\/[^"]*:(\d+)/.exec(await api.printed(READY))?.[1];
  let scheduler = await startScheduler();

  const created = await fetch(`http://127.0.0.1:${port}/job`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify({ uri: site.uri, check_period_seconds: 0.5 }),
  });
  t.equal(created.status, 201, await created.clone().text());

  /** Reasons of the checks from now on; '' of one that is up. */
  const newReasons = async (count: number): Promise<string[]> => {
    const { rows: before } = await database.query<{ last: number }>(
      'SELECT coalesce(max(slot), 0) AS last FROM results',
    );
    return until('results', async () => {
      const { rows } = await database.query<{ reason: string | null }>(
        "SELECT reason FROM results WHERE slot > $1 AND outcome <> 'missed' ORDER BY slot",
        [before[0]?.last],
      );
      return rows.length < count ? null : rows.map(({ reason }) => reason ?? '');
    });
  };
  const isRefused = async (when: string) => {
    const reasons = await newReasons(3);
    t.strictSame([...new Set(reasons)], ['forbidden_address'], when);
    t.equal(site.connections, 0, `nobody connects: ${when}`);
  };
  await isRefused('beside a public API');
  const silentFor = (minutes: number) =>
    database.query('UPDATE instances SET seen_at = now() - make_interval(mins => $1) WHERE is_public', [minutes]);
  api.child.kill('SIGKILL');
  await api.finished;
  await silentFor(9);
  await isRefused('for a while after it was killed');
  scheduler.child.kill('SIGTERM');
  t.equal((await scheduler.finished).code, 0);
  scheduler = await startScheduler();
  await isRefused('by a scheduler that has started since');
  await silentFor(11);
  await until('a connection', async () => site.connections > 0);
  t.equal((await newReasons(2)).at(-1), '', 'then it is checked');
  scheduler.child.kill('SIGTERM');
  t.equal((await scheduler.finished).code, 0);
});
