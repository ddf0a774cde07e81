import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Test, test } from 'tap';
import { parse } from 'yaml';
import { exampleOf, readEnvFile, readStarted } from './agreement.ts';
import { imageEnv } from './dockerfile.ts';
import { root, temporaryFolder } from './production-tree.ts';

interface Service {
  image: string;
  build?: { context: string; target?: string };
  command?: string[];
  environment?: Record<string, string>;
  ports?: string[];
  volumes?: string[];
  depends_on?: Record<string, { condition: string }>;
  networks: string[];
  healthcheck?: object;
  read_only?: boolean;
  user?: string;
}

const FOLDERS = ['local', 'test', 'prod'] as const;
const deploy = (...path: string[]) => join(root, 'deploy', ...path);

/** What .env.example gives, with what it leaves to be filled in. */
function exampleEnv(folder: string): Record<string, string> {
  const given = readEnvFile(deploy(folder, '.env.example'));
  return Object.fromEntries(Object.entries(given).map(([name, value]) => [name, value || exampleOf(name)]));
}

/** The services as compose sees them: `${NAME}`, `${NAME:-default}` and `${NAME:?why}` filled in, merge keys merged. */
function readServices(folder: string): Record<string, Service> {
  const env = exampleEnv(folder);
  const text = readFileSync(deploy(folder, 'compose.yaml'), 'utf8');
  const filled = text.replaceAll(/\$\{(\w+)(?:(:-|:\?)([^}]*))?\}/g, (_, name, kind, rest) => {
    const value = env[name] ?? (kind === ':-' ? rest : undefined);
    if (value === undefined) throw new Error(`${folder}: ${name} is not in .env.example`);
    return value;
  });
  return parse(filled, { merge: true }).services;
}

const composeTool = spawnSync('docker-compose', ['version'], { stdio: 'ignore' }).status === 0;

for (const folder of FOLDERS) {
  test(`deploy/${folder}: compose takes the file`, {
    skip: composeTool ? false : 'NOT DONE: docker-compose is not installed',
  }, async (t) => {
    const env = join(temporaryFolder(t, 'compose'), '.env');
    writeFileSync(
      env,
      Object.entries(exampleEnv(folder))
        .map(([name, value]) => `${name}=${value}\n`)
        .join(''),
    );
    const run = spawnSync('docker-compose', ['--env-file', env, 'config'], { cwd: deploy(folder), encoding: 'utf8' });
    t.equal(run.status, 0, run.stderr);
    t.same(Object.keys(parse(run.stdout).services).sort(), Object.keys(readServices(folder)).sort());
  });

  test(`deploy/${folder}: what it gives Vedette is what Vedette accepts`, async (t) => {
    const services = readServices(folder);
    for (const [name, service] of Object.entries(services)) {
      t.same(service.networks, ['vedette'], `${name} is on the one network`);
      for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
        t.ok(
          condition !== 'service_healthy' || services[other]?.healthcheck,
          `${name} waits for ${other}, which says how it is`,
        );
      }
      if (service.image.startsWith('vedette:') && service.command?.[0] !== 'npm') checkRole(t, folder, name, service);
    }
  });
}

function checkRole(t: Test, folder: string, name: string, service: Service): void {
  const { command = [], environment = {}, volumes = [], ports = [] } = service;
  const read = readStarted({ command: ['vedette', ...command], env: { ...imageEnv(), ...environment } });
  t.equal(read.name, name === 'migrate' ? 'db migrate' : 'serve', name);
  if (name !== 'migrate') t.same(read.settings.roles, [name.replace(/-\d$/, '')], `${name} has the role of its name`);
  t.ok(read.settings.databaseServer && read.settings.kafkaConnection, `${name} knows PostgreSQL and Kafka`);
  t.ok(service.read_only, `${name} is read-only`);
  for (const port of ports) t.match(port, new RegExp(`:${read.settings.server.port}$`), `${name} is published`);
  const mounts = volumes.map((volume) => volume.split(':')[1]!);
  for (const file of [...read.files, read.settings.jobsFile].flat()) {
    t.ok(
      mounts.some((mount) => file.startsWith(`${mount}/`)),
      `${file} is mounted`,
    );
  }
  if (folder === 'prod') t.equal(read.settings.stream.createTopics, false, 'topics are expected to be there');
}

test('deploy/test runs a script and a stage that there are', async (t) => {
  const { tests } = readServices('test') as { tests: Service };
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  t.same(tests.command?.slice(0, 2), ['npm', 'run']);
  t.ok(scripts[tests.command![2]!], tests.command![2]);
  t.match(readFileSync(join(root, 'Dockerfile'), 'utf8'), new RegExp(` AS ${tests.build?.target}$`, 'm'));
});

test('the job file of deploy/local is one', async (t) => {
  const run = spawnSync(process.execPath, ['bin/vedette.js', 'config', 'check'], {
    ...{
      cwd: root,
      encoding: 'utf8' as const,
      env: { PATH: process.env.PATH, JOBS_FILE: 'deploy/local/jobs/jobs.json' },
    },
  });
  t.equal(run.status, 0, run.stderr + run.stdout);
});

/** A copy of deploy/ with a `docker` that only writes down how it is called, or none, or one without an engine. */
function stage(t: Test, docker: 'answers' | 'silent' | 'absent') {
  const folder = temporaryFolder(t, 'run');
  cpSync(deploy(), join(folder, 'deploy'), { recursive: true });
  for (const name of FOLDERS) execFileSync('rm', ['-f', join(folder, 'deploy', name, '.env')]);
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  const program = (name: string, text: string) => {
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(bin, name), 0o755);
  };
  const log = `echo "$(basename "$0") $*" >> ${folder}/calls`;
  // The real tools under their own paths, so that nothing else of this machine is found by name.
  for (const name of ['bash', 'dirname', 'basename', 'cp', 'sed', 'sh', 'env', 'make', 'rm', 'cat']) {
    const path = execFileSync('which', [name], { encoding: 'utf8' }).trim();
    execFileSync('ln', ['-sf', path, join(bin, name)]);
  }
  program('npm', log);
  if (docker === 'answers') program('docker', log);
  if (docker === 'silent') program('docker', '[ "$1" != info ]');
  const script = (path: string, ...args: string[]) =>
    spawnSync(join(folder, 'deploy', path), args, { cwd: folder, encoding: 'utf8', env: { PATH: bin } });
  const calls = () => (existsSync(join(folder, 'calls')) ? readFileSync(join(folder, 'calls'), 'utf8') : '');
  return { folder, script, calls };
}

test('run.sh and cleanup.sh start and end it where there is Docker', async (t) => {
  const { script, calls, folder } = stage(t, 'answers');
  t.match(script('local/run.sh'), { status: 0, stdout: /\.env\.example[\s\S]*http:\/\/127\.0\.0\.1:8080\// });
  t.match(calls(), /^docker compose up --build --detach$/m);
  t.match(script('local/cleanup.sh', '--keep-data'), { status: 0 });
  t.match(calls(), /^docker compose down --remove-orphans$/m);
  t.match(script('local/cleanup.sh'), { status: 0 });
  t.match(calls(), /^docker compose down --remove-orphans --volumes$/m);
  t.match(script('test/run.sh'), { status: 0 });
  t.match(calls(), /^docker compose up --build --abort-on-container-exit --exit-code-from tests$/m);

  t.match(script('prod/run.sh'), { status: 1, stderr: /no \.env: copy/ });
  cpSync(join(folder, 'deploy/prod/.env.example'), join(folder, 'deploy/prod/.env'));
  t.match(script('prod/run.sh'), { status: 1, stderr: /no certificates\/ca\.pem/ });
  for (const [name, files] of [
    ['certificates', ['ca.pem', 'service.cert', 'service.key']],
    ['jobs', ['jobs.json']],
  ] as const) {
    mkdirSync(join(folder, 'deploy/prod', name), { recursive: true });
    for (const file of files) writeFileSync(join(folder, 'deploy/prod', name, file), '');
  }
  t.match(script('prod/run.sh'), { status: 0 });
  t.match(script('prod/cleanup.sh'), { status: 0 });
});

test('without Docker, or without its engine, they say so and offer the same as processes', async (t) => {
  for (const [docker, why] of [
    ['absent', /^Docker is not installed\./],
    ['silent', /^Docker is installed, but its engine does not answer/],
  ] as const) {
    const { script, calls } = stage(t, docker);
    t.match(script('local/run.sh'), { status: 1, stderr: why });
    t.match(script('local/run.sh').stderr, /local\/run\.sh --processes/);
    t.match(script('prod/run.sh'), { status: 1, stderr: /deploy\/systemd/ });
    t.match(script('local/cleanup.sh'), { status: 1, stderr: why });
    t.equal(calls(), '');
    t.match(script('local/run.sh', '--processes'), { status: 0 });
    t.match(script('test/run.sh', '--processes'), { status: 0 });
    t.equal(calls(), 'npm run local\nnpm run test:kafka\n');
  }
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  t.ok(scripts.local && scripts['test:kafka']);
});

test('the Makefile calls what there is', async (t) => {
  const dry = (...args: string[]) => execFileSync('make', ['-n', ...args], { cwd: root, encoding: 'utf8' });
  for (const [target, line] of [
    ['run', 'deploy/local/run.sh'],
    ['clean', 'deploy/local/cleanup.sh'],
    ['test', 'deploy/test/run.sh'],
  ] as const) {
    t.match(dry(target), line);
    t.ok(existsSync(join(root, line)), line);
  }
  t.match(dry('run', 'ENV=prod'), './deploy/prod/run.sh');
  t.match(
    dry('logs', 'SERVICE=api'),
    /cd deploy\/local && \. \.\.\/engine\.sh && find_compose && "\$\{compose\[@\]\}" logs .* api/,
  );
});

test('shellcheck finds nothing in the scripts', {
  skip:
    spawnSync('shellcheck', ['--version'], { stdio: 'ignore' }).status === 0
      ? false
      : 'NOT DONE: shellcheck is not installed',
}, async (t) => {
  const files = execFileSync('git', ['ls-files', '-co', 'deploy/*.sh'], { cwd: root, encoding: 'utf8' })
    .trim()
    .split('\n');
  t.ok(files.length >= 7);
  // What is sourced is checked by itself; shellcheck cannot follow it from here.
  const run = spawnSync('shellcheck', ['--shell=bash', '--exclude=SC1091,SC2154,SC2034', ...files], {
    cwd: root,
    encoding: 'utf8',
  });
  t.equal(run.stdout, '');
});
