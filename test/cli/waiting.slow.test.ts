import { type Test, test } from 'tap';
import { freePort } from '../../scripts/free-port.ts';
import { createTestDatabaseUrl, testServer } from '../helpers/database.ts';
import { createFaultProxy } from '../helpers/fault-proxy.ts';
import { spawnVedette } from './run.ts';

const WAITING = /"msg":"database cannot be reached, waiting for it"/;
const COMMANDS = [
  ['serve', '--port', '0'],
  ['serve', '--port', '0', '--roles', 'api'],
  ['serve', '--roles', 'scheduler'],
  ['process'],
] as const;

/** Vedette on the database behind `port`, where nobody listens yet. */
async function waitingProcess(t: Test, command: readonly string[], port: number, databaseUrl: string) {
  const url = new URL(databaseUrl);
  url.port = String(port);
  url.hostname = '127.0.0.1';
  const cwd = t.testdir({ 'jobs.json': '[]' });
  const run = spawnVedette(t, command, { cwd, env: { DATABASE_URL: url.href } });
  await run.printed(WAITING);
  // It ended within a second by itself, when nothing held it.
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  t.equal(run.child.exitCode, null, `${command.join(' ')} waits`);
  return run;
}

for (const command of COMMANDS) {
  test(`PostgreSQL is away at the start: ${command.join(' ')} waits, and goes on when it comes`, async (t) => {
    const [port, databaseUrl, server] = await Promise.all([freePort(), createTestDatabaseUrl(t), testServer()]);
    const run = await waitingProcess(t, command, port, databaseUrl);
    await createFaultProxy(t, { host: '127.0.0.1', port: server.port }, port);
    await run.printed(/"msg":"ready"/);
    run.child.kill('SIGINT');
    t.match(await run.finished, { code: 0, stdout: /"msg":"database is there"/ });
  });
}

test('Ctrl-C ends a process that waits for PostgreSQL at once', async (t) => {
  const [port, databaseUrl] = await Promise.all([freePort(), createTestDatabaseUrl(t)]);
  for (const command of [COMMANDS[0], COMMANDS[3]]) {
    const run = await waitingProcess(t, command, port, databaseUrl);
    const at = performance.now();
    run.child.kill('SIGINT');
    t.match(await run.finished, { code: 0, stderr: '' });
    t.ok(performance.now() - at < 1_500, `${performance.now() - at} ms`);
  }
});

test('a PostgreSQL that takes connections and says nothing does not hold up the end either', async (t) => {
  const [port, databaseUrl, server] = await Promise.all([freePort(), createTestDatabaseUrl(t), testServer()]);
  const proxy = await createFaultProxy(t, { host: '127.0.0.1', port: server.port }, port);
  proxy.swallow();
  const url = new URL(databaseUrl);
  url.port = String(port);
  url.hostname = '127.0.0.1';
  const run = spawnVedette(t, ['process'], { cwd: t.testdir({}), env: { DATABASE_URL: url.href } });
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  t.equal(run.child.exitCode, null);
  run.child.kill('SIGINT');
  t.match(await run.finished, { code: 0 });
});
