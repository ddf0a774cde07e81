import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { t as run, type Test, test } from 'tap';
import { createVedette, until } from '../faults/fleet.ts';
import { freePort } from '../faults/scene.ts';
import { createTestDatabaseUrl } from '../helpers/database.ts';
import { checkoutFiles, copyFiles, makeReadOnly, runIn, stranger, temporaryFolder } from './production-tree.ts';

// What a host with buildpacks does: install everything, build, drop what was for building, make the tree read-only.
const app = temporaryFolder(run, 'production');

test('built like a host builds it, without the packages that only build', async (t) => {
  copyFiles(checkoutFiles(), app);
  runIn(app, 'npm', ['ci']);
  runIn(app, 'npm', ['run', 'gcp-build'], { NODE_ENV: 'production' });
  runIn(app, 'npm', ['prune', '--omit=dev']);
  const packages = readdirSync(join(app, 'node_modules'));
  t.ok(packages.includes('fastify'));
  for (const name of ['typescript', 'tap', 'tsx']) t.notOk(packages.includes(name), name);
  makeReadOnly(run, app);
});

for (const [name, command] of [
  ['npm start', ['npm', 'start', '--']],
  ['the command', ['node', 'bin/vedette.js', 'serve']],
] as const) {
  test(`${name} runs from a read-only tree, installs and builds nothing`, async (t) => {
    const { service, log } = await production(t, command, { DATABASE_URL: await createTestDatabaseUrl(t) });
    await service.start();
    await until('readiness', async () => (await fetch(`http://127.0.0.1:${service.port}/health/ready`)).ok);
    const page = await fetch(`http://127.0.0.1:${service.port}/`, { headers: { accept: 'text/html' } });
    t.equal(page.status, 200);
    const code = await service.stop(10_000);
    // npm itself dies of the signal; what it started has to notice.
    if (command[0] !== 'npm') t.equal(code, 0, 'ends in order at SIGTERM');
    await until('its end', async () => log().includes('"msg":"ended"'), 10_000);
    t.notMatch(log(), /npm ci|Installing|built \d+ files/);
  });
}

async function production(t: Test, command: readonly [string, ...string[]], env: Record<string, string>) {
  const folder = temporaryFolder(t, 'service');
  const logFile = join(folder, 'log');
  const service = createVedette({
    name: 'production',
    // Without the options by which the test runner follows its children.
    command: ['env', '-u', 'NODE_OPTIONS', ...command],
    cwd: app,
    account: stranger,
    logFile,
    env: { HOME: '/', NODE_ENV: 'production', PORT: String(await freePort()), ...env },
  });
  t.teardown(async () => {
    await service.stop();
    if (!t.passing()) t.comment(readFileSync(logFile, 'utf8'));
  });
  return { service, log: () => readFileSync(logFile, 'utf8') };
}
