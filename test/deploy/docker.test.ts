import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { basename, join } from 'node:path';
import { t as run, test } from 'tap';
import { freePort } from '../../scripts/free-port.ts';
import { createVedette } from '../faults/fleet.ts';
import { createTestDatabaseUrl } from '../helpers/database.ts';
import { until } from '../helpers/until.ts';
import { readStarted } from './agreement.ts';
import { buildStages, contextFiles, parseDockerfile, type Stage } from './dockerfile.ts';
import { makeReadOnly, root, stranger, temporaryFolder } from './production-tree.ts';

/** `docker stop` waits this long. */
const GRACE_MS = 10_000;
const folder = temporaryFolder(run, 'docker');
const instructions = parseDockerfile(readFileSync(join(root, 'Dockerfile'), 'utf8'));
const context = contextFiles(readFileSync(join(root, '.dockerignore'), 'utf8'));
let image: Stage;
let stages: Stage[];

test('the context holds what the image is made of, and no secret', async (t) => {
  for (const name of ['package-lock.json', 'src/main.ts', 'bin/vedette.js', 'migrations/0001-initial.sql']) {
    t.ok(context.includes(name), name);
  }
  t.same(
    context.filter((name) => /^(\.git|deploy|docs)\/|\.env$|\.pem$|\.key$/.test(name) && !/^test\//.test(name)),
    [],
  );
});

test('every stage builds, each command as a plain process in a clean folder', async (t) => {
  stages = buildStages(instructions, context, folder, (stage, command, ms) =>
    t.comment(`${stage}: ${command.slice(0, 80)} (${(ms / 1000).toFixed(1)} s)`),
  );
  image = stages.at(-1) as Stage;
  t.same(
    stages.map(({ from }) => from),
    ['node:24-slim', 'packages', 'packages', 'node:24-slim'],
  );
  const size = (path: string) => Number(execFileSync('du', ['-sk', path], { encoding: 'utf8' }).split('\t')[0]) / 1024;
  const sizes = [
    ['all of /app', size(join(image.folder, 'app'))],
    ['node_modules', size(join(image.folder, 'app/node_modules'))],
    ['node-rdkafka', size(join(image.folder, 'app/node_modules/node-rdkafka'))],
  ] as const;
  for (const [name, mib] of sizes) t.comment(`${name}: ${mib.toFixed(1)} MiB`);
  t.ok(sizes[2][1] < 20, 'the driver without its sources');
  for (const path of ['src', 'test', 'node_modules/typescript', 'node_modules/node-rdkafka/deps', 'settings/.env']) {
    t.notOk(existsSync(join(image.folder, 'app', path)), path);
  }
});

test('the Debian packages exist, and bring every library that the native driver loads', async (t) => {
  const names = [...new Set(stages.flatMap(({ packages }) => packages))];
  const known = spawnSync('apt-cache', ['policy', ...names], { encoding: 'utf8' });
  if (known.status !== 0 || !known.stdout.includes('Candidate:')) {
    return t.comment('NOT DONE: apt-cache knows no packages here (apt-get update)');
  }
  for (const name of names)
    t.match(known.stdout, new RegExp(`^${name.replaceAll('+', '\\+')}:\\n(.*\\n)?.*Candidate: \\d`, 'm'), name);
  const driver = join(image.folder, 'app/node_modules/node-rdkafka/build/Release/node-librdkafka.node');
  const loaded = execFileSync('ldd', [driver], { encoding: 'utf8' });
  t.notMatch(loaded, 'not found');
  const base = new Set(['libc6', 'libgcc-s1']);
  for (const [, path] of loaded.matchAll(/=> (\/(?:usr\/)?lib\S+)/g)) {
    const owner = spawnSync('dpkg', ['-S', `*-linux-gnu/${basename(realpathSync(path))}`], {
      encoding: 'utf8',
    }).stdout.split(':')[0];
    t.ok(base.has(owner) || image.packages.includes(owner), `${path} is of ${owner}`);
  }
});

test('both Kafka drivers load', async (t) => {
  const script = "const k = require('node-rdkafka'); require('kafkajs'); console.log(k.features.join())";
  const app = join(image.folder, 'app');
  t.match(
    execFileSync('env', ['-u', 'NODE_OPTIONS', 'node', '-e', script], { cwd: app, encoding: 'utf8' }),
    /ssl.*zstd/,
  );
});

test('the image runs read-only and as nobody, answers its health check, and ends at SIGTERM', async (t) => {
  makeReadOnly(run, join(image.folder, 'app'));
  t.equal(image.settings.get('USER'), '1000:1000');
  const words = (name: string): string[] => JSON.parse(image.settings.get(name) as string);
  const command = [...words('ENTRYPOINT'), ...words('CMD')];
  const secrets = ['DATABASE_URL'];
  const { settings } = readStarted({ command, env: image.env, secrets });
  t.equal(String(settings.server.port), image.settings.get('EXPOSE'));
  t.equal(settings.isPublic, true);
  t.equal(settings.server.probes, true);

  const [, health] = /^(?:--\S+ )+CMD (.*)$/.exec(image.settings.get('HEALTHCHECK') as string) ?? [];
  const database = await createTestDatabaseUrl(t);
  const account = stranger && { uid: 1000, gid: 1000 };
  for (const more of [[], ['--roles', 'processor']]) {
    const logs = temporaryFolder(t, 'image');
    const logFile = join(logs, 'log');
    const env = { ...image.env, HOST: '127.0.0.1', PORT: String(await freePort()), DATABASE_URL: database };
    const service = createVedette({
      ...{ name: 'image', cwd: join(image.folder, 'app'), account, logFile },
      command: ['env', '-u', 'NODE_OPTIONS', ...command, ...more],
      env: { ...env, HOME: '/' },
    });
    t.teardown(() => service.stop());
    const [program, ...args] = JSON.parse(health as string) as [string, ...string[]];
    const probe = () =>
      spawnSync('env', ['-u', 'NODE_OPTIONS', program, ...args], { env: { ...process.env, ...env } }).status;
    t.equal(probe(), 1, 'not healthy before it runs');
    await service.start();
    await until('health', async () => probe() === 0);
    t.equal(await service.stop(GRACE_MS), 0, `${command.join(' ')} ${more.join(' ')} ends in order`);
    if (!t.passing()) t.comment(readFileSync(logFile, 'utf8'));
  }
});

test('without a database it says what to give it', async (t) => {
  const logFile = join(temporaryFolder(t, 'image'), 'log');
  const service = createVedette({
    ...{ name: 'image', cwd: join(image.folder, 'app'), logFile, account: stranger && { uid: 1000, gid: 1000 } },
    command: ['env', '-u', 'NODE_OPTIONS', 'node', 'bin/vedette.js', 'serve'],
    env: { HOME: '/', PORT: '0' },
  });
  await service.start();
  await service.gone();
  t.match(readFileSync(logFile, 'utf8'), /^error: .*DATABASE_URL.*\[VED_EMBEDDED_POSTGRES\]$/m);
});
