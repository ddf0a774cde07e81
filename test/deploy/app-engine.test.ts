import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { t as run, type Test, test } from 'tap';
import { parse } from 'yaml';
import { freePort } from '../../scripts/free-port.ts';
import { createValidator, formatProblem } from '../../src/core/validation.ts';
import { createVedette } from '../faults/fleet.ts';
import { createScene, openDatabase, reportAudit } from '../faults/scene.ts';
import { createTestDatabaseUrl } from '../helpers/database.ts';
import { until } from '../helpers/until.ts';
import { readStarted } from './agreement.ts';
import { copyFiles, makeReadOnly, root, runIn, stranger, temporaryFolder } from './production-tree.ts';
import { startSecretManager } from './secret-manager.ts';

/** App Engine gives an instance this long between SIGTERM and SIGKILL. */
const GRACE_MS = 3_000;

interface AppYaml {
  entrypoint: string;
  env_variables: Record<string, string>;
  automatic_scaling?: object;
}

const FILES = ['app.yaml', 'app-web.yaml', 'app-worker.yaml'];
const read = (file: string): AppYaml => parse(readFileSync(join(root, file), 'utf8'));
const schema = JSON.parse(readFileSync(new URL('schemas/app-engine.json', import.meta.url), 'utf8'));
const isSecret = (value: string) => value.startsWith('sm://');

/** What upload leaves of the checkout, by git's rules of ignoring, which gcloud's are. */
function uploadedFiles(): string[] {
  const list = (...args: string[]) =>
    execFileSync('git', ['ls-files', '-z', ...args], { cwd: root, encoding: 'utf8' }).split('\0');
  const ignored = new Set(list('-ci', '--exclude-from=.gcloudignore'));
  const others = list('-o', '--exclude-standard', '--exclude-from=.gcloudignore');
  return [...list('-c').filter((name) => !ignored.has(name)), ...others].filter((name) => name !== '');
}

for (const file of FILES) {
  test(`${file} is what App Engine accepts, and gives Vedette what Vedette accepts`, async (t) => {
    const validation = createValidator(schema)(read(file));
    t.same(validation.ok ? [] : validation.problems.map(formatProblem), []);
    // Commented lines are offers: they have to be as right as the others.
    const offered = readFileSync(join(root, file), 'utf8').replace(
      /^( *)# ((?: *[\w-]+|\s+KAFKA_\w+):( .*)?)$/gm,
      '$1$2',
    );
    const whole = createValidator(schema)(parse(offered));
    t.same(whole.ok ? [] : whole.problems.map(formatProblem), [], 'with the lines that are commented out');

    const { entrypoint, env_variables: env, automatic_scaling: isAutomatic } = parse(offered) as AppYaml;
    const secrets = Object.keys(env).filter((name) => isSecret(env[name]!));
    const plain = Object.fromEntries(Object.entries(env).filter(([, value]) => !isSecret(value)));
    const { name, settings } = readStarted({
      command: entrypoint.split(' '),
      env: { ...plain, PORT: '8081' },
      secrets,
    });
    t.equal(name, 'serve');
    t.equal(settings.server.port, 8081, 'the port that App Engine gives');
    t.equal(settings.server.host, '0.0.0.0');
    t.ok(settings.roles.includes('api') || settings.server.probes, 'it answers');
    if (isAutomatic) t.same(settings.roles, ['api'], 'what comes and goes with traffic checks nothing');
  });
}

const gcloud = spawnSync('gcloud', ['info', '--format=value(installation.sdk_root)'], { encoding: 'utf8' });
const skip = gcloud.status === 0 ? false : 'NOT DONE: gcloud is not installed here';

test("gcloud's own reader takes the files", { skip }, async (t) => {
  const program = [
    'import sys',
    `sys.path[:0] = [sys.argv[1] + '/lib', sys.argv[1] + '/lib/third_party']`,
    'from googlecloudsdk.appengine.api import appinfo',
    'for name in sys.argv[2:]: print(appinfo.LoadSingleAppInfo(open(name)).runtime)',
  ].join('\n');
  const run = spawnSync('python3', ['-c', program, gcloud.stdout.trim(), ...FILES], { cwd: root, encoding: 'utf8' });
  t.match(run, { status: 0, stdout: 'nodejs24\n'.repeat(FILES.length) }, run.stderr);
  const list = execFileSync('gcloud', ['meta', 'list-files-for-upload', '.'], { cwd: root, encoding: 'utf8' });
  t.same(list.trim().split('\n').sort(), uploadedFiles().sort(), 'and uploads what this test runs');
});

// What App Engine does: installs everything, runs gcp-build, drops what was for building, serves from a read-only tree.
const app = temporaryFolder(run, 'app-engine');

test('the upload builds, without the packages that only build', async (t) => {
  const files = uploadedFiles();
  t.ok(files.includes('package-lock.json'));
  t.same(
    files.filter((name) => /^(test|benchmarks|deploy)\/|\.env$/.test(name)),
    [],
  );
  copyFiles(files, app);
  runIn(app, 'npm', ['ci']);
  runIn(app, 'npm', ['run', 'gcp-build'], { NODE_ENV: 'production' });
  runIn(app, 'npm', ['prune', '--omit=dev']);
  const packages = readdirSync(join(app, 'node_modules'));
  t.ok(packages.includes('fastify'));
  for (const name of ['typescript', 'tap', 'tsx']) t.notOk(packages.includes(name), name);
  makeReadOnly(run, app);
});

for (const command of ['npm start --', ...FILES.map((file) => read(file).entrypoint)]) {
  test(`${command}: runs from the read-only tree, installs and builds nothing`, async (t) => {
    const database = await createTestDatabaseUrl(t);
    const secrets = {
      'projects/our-project/secrets/vedette-database-url/versions/latest': database,
      'projects/our-project/secrets/vedette-api-key/versions/latest': 'a-key-that-is-secret',
    };
    const google = await startSecretManager(t, secrets);
    const file = FILES.find((name) => read(name).entrypoint === command);
    const given = file ? { ...read(file).env_variables, ...google.env } : { DATABASE_URL: database };
    const { service, log } = await production(t, command.split(' '), { ...given, HOST: '127.0.0.1' });
    const get = (path: string) => fetch(`http://127.0.0.1:${service.port}${path}`);
    await service.start();
    await until('the answer to /_ah/start', async () => (await get('/_ah/start')).ok);
    t.equal((await get('/health/ready')).status, 200);
    // Only npm start is given no proxy and no key here: it listens on loopback.
    t.equal((await get('/')).status, file === 'app-worker.yaml' ? 404 : file ? 401 : 200);
    if (file) t.equal((await get('/metrics')).status, 401);
    if (file && file !== 'app-worker.yaml') {
      const headers = { authorization: 'Bearer a-key-that-is-secret' };
      t.equal((await fetch(`http://127.0.0.1:${service.port}/`, { headers })).status, 200, 'the key is taken');
      const change = { method: 'POST', headers };
      const stop = `http://127.0.0.1:${service.port}/job/1/stop`;
      t.equal((await fetch(stop, { method: 'POST' })).status, 401);
      t.not((await fetch(stop, change)).status, 401, 'the key is taken');
    }
    const code = await service.stop(GRACE_MS);
    // npm itself dies of the signal; what it started has to notice.
    if (file) t.equal(code, 0, 'ends in order at SIGTERM');
    await until('its end', async () => log().includes('"msg":"ended"'), GRACE_MS);
    t.notMatch(log(), /npm ci|Installing|built \d+ files|a-key-that-is-secret/);
  });
}

test('without a database it says what to give it', async (t) => {
  const { service, log } = await production(t, ['node', 'bin/vedette.js', 'serve'], {});
  await service.start();
  await service.gone();
  t.match(log(), /^error: .*DATABASE_URL.*\[VED_EMBEDDED_POSTGRES\]$/m);
});

test('secrets: PEM text, another project, a version, a hiccup; what cannot be had is named', async (t) => {
  const pem = readFileSync(new URL('../fixtures/tls/ca.pem', import.meta.url), 'utf8');
  const google = await startSecretManager(t, { 'projects/other-1/secrets/kafka-ca/versions/3': pem });
  const show = (KAFKA_CA: string, env = {}) => {
    const given = {
      HOME: '/',
      PATH: process.env.PATH,
      KAFKA_BOOTSTRAP_SERVERS: 'localhost:9093',
      ...google.env,
      ...env,
    };
    return new Promise<{ code: number | null; output: string }>((resolve) => {
      const command = ['-u', 'NODE_OPTIONS', 'node', 'scripts/with-secrets.mjs', 'config', 'show', '--json'];
      const service = createVedette({
        ...{ name: 'show', command: ['env', ...command], cwd: app, account: stranger },
        ...{ logFile: join(logs, 'log'), env: { ...given, KAFKA_CA, PORT: '1' } as Record<string, string> },
      });
      rmSync(join(logs, 'log'), { force: true });
      t.teardown(() => service.stop());
      void service
        .start()
        .then(() => service.gone())
        .then(() => service.stop())
        .then((code) => resolve({ code, output: readFileSync(join(logs, 'log'), 'utf8') }));
    });
  };
  const logs = temporaryFolder(t, 'secrets');
  google.fail(2);
  const shown = await show('sm://other-1/kafka-ca/3');
  t.match(shown, { code: 0, output: /PEM|BEGIN CERTIFICATE/ }, 'asked again after 503');
  t.match(await show('sm://kafka-ca'), { code: 1, output: /KAFKA_CA: projects\/our-project\/secrets\/kafka-ca.*404/ });
  t.match(await show('sm://what is this'), { code: 1, output: /KAFKA_CA: given sm:\/\/what is this, accepted: sm:/ });
  const nobody = { GCE_METADATA_HOST: `127.0.0.1:${await freePort()}` };
  t.match(await show('sm://kafka-ca', nobody), { code: 1, output: /metadata server cannot be had: ECONNREFUSED/ });
});

test('an old version and a new one beside each other count every slot once', async (t) => {
  const newer = temporaryFolder(run, 'newer');
  execFileSync('cp', ['-al', `${app}/.`, newer]);
  const manifest = JSON.parse(readFileSync(join(newer, 'package.json'), 'utf8'));
  // A link to the old one's file until now.
  rmSync(join(newer, 'package.json'));
  writeFileSync(join(newer, 'package.json'), JSON.stringify({ ...manifest, version: '99.0.0' }));
  const scene = await createScene(t, { jobs: 60 });
  const url = await createTestDatabaseUrl(t);
  const env = { DATABASE_URL: url, JOBS_FILE: scene.jobsFile, VEDETTE_SERVER_RATE_LIMIT_PER_MINUTE: '0' };
  const command = ['node', 'bin/vedette.js', 'serve'];
  const before = await production(t, command, env);
  const after = await production(t, command, env, newer);
  const versions = async (port: number) => {
    const instances = (await (await fetch(`http://127.0.0.1:${port}/instances`)).json()) as { version: string }[];
    return instances.map(({ version }) => version).sort();
  };
  await before.service.start();
  await until('the old version', async () => (await versions(before.service.port)).length === 1);
  await sleep(3_000);
  await after.service.start();
  await until('both versions', async () => (await versions(after.service.port)).length === 2);
  t.same(await versions(after.service.port), [manifest.version, '99.0.0']);
  await sleep(4_000);
  t.equal(await before.service.stop(GRACE_MS), 0, 'the old one ends in time');
  await sleep(4_000);
  const database = await openDatabase(t, url);
  await scene.settle(after.service, database);
  const report = await scene.audit(database);
  reportAudit(t, report);
  t.ok(report.answered > report.due / 2, 'most was answered, also on a busy machine');
});

async function production(t: Test, command: readonly string[], env: Record<string, string>, cwd = app) {
  const folder = temporaryFolder(t, 'service');
  const logFile = join(folder, 'log');
  const service = createVedette({
    name: 'production',
    // Without the options by which the test runner follows its children.
    command: ['env', '-u', 'NODE_OPTIONS', ...command],
    cwd,
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
