import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { test } from 'tap';
import { createValidator } from '../../src/core/validation.ts';
import { metaOf } from '../../src/settings/leaf.ts';
import { settingLeaves } from '../../src/settings/resolve.ts';
import { settingsSchema } from '../../src/settings/schema.ts';
import { loadSettings, resolveSettings, showSettings } from '../../src/settings.ts';

const PEM = readFileSync(path.join(import.meta.dirname, '../fixtures/tls/ca.pem'), 'utf8');

test('every default satisfies its own schema', async (t) => {
  const leaves = settingLeaves();
  const properties = Object.fromEntries(leaves.map((leaf) => [leaf.path, leaf.schema]));
  const defaults = Object.fromEntries(leaves.map((leaf) => [leaf.path, metaOf(leaf.schema).default]));
  t.same(createValidator({ type: 'object', properties })(defaults), { ok: true, value: defaults });
  const metaSchema = new Ajv2020();
  t.ok(metaSchema.validateSchema({ type: 'object', properties }), metaSchema.errorsText());
  t.equal(settingsSchema.type, 'object');
  const names = leaves.flatMap((leaf) => leaf.env);
  t.equal(new Set(names).size, names.length, 'no name in the environment means two settings');
});

test('with nothing given: embedded database, embedded stream, loopback', async (t) => {
  const cwd = t.testdir({});
  const settings = loadSettings({ cwd, env: {} });
  t.match(settings, {
    server: { host: '127.0.0.1', port: 8080, bodyLimitBytes: 1_048_576 },
    roles: ['api', 'scheduler', 'processor'],
    storage: { retention: { resultsMs: 172_800_000, dayMs: null } },
    databaseServer: null,
    kafkaConnection: null,
    dataDir: path.join(cwd, 'data'),
    jobsFile: [path.join(cwd, 'jobs.json')],
    isJobsFileNamed: false,
  });
  t.ok(
    Object.isFrozen(settings) && Object.isFrozen(settings.storage.retention) && Object.isFrozen(settings.metrics[0]),
  );
});

test('command line over environment over .env over named file over default file over default', async (t) => {
  const cwd = t.testdir({
    '.env': 'PORT=3\nVEDETTE_LOCATION=env-file\n',
    'other.env': 'PORT=33\n',
    settings: {
      'default.yaml': 'server: { port: 1, host: one }\nlocation: default-file\nresults: { store: none }\n',
      'production.json': '{"server": {"port": 2, "host": "two"}, "instance": "named-file"}',
    },
  });
  const read = (options: object) => loadSettings({ cwd, env: {}, ...options });
  t.equal(read({}).server.port, 3);
  t.equal(read({}).server.host, 'one');
  t.equal(read({}).location, 'env-file');
  t.equal(read({ settingsFile: 'production' }).server.host, 'two', 'the named file goes before the default file');
  t.equal(read({ settingsFile: 'production' }).server.port, 3, '.env goes before files');
  t.equal(read({ settingsFile: 'settings/production.json' }).results.store, 'none', 'and is read over it');
  t.equal(read({ env: { VEDETTE_SETTINGS: 'production' } }).instance, 'named-file');
  t.equal(read({ envFile: 'other.env' }).server.port, 33);
  t.equal(read({ env: { PORT: '4' } }).server.port, 4);
  t.equal(read({ env: { VEDETTE_SERVER_PORT: '44' } }).server.port, 44, 'each setting has a derived name as well');
  t.equal(read({ env: { PORT: '4' }, flags: { 'server.port': '5' } }).server.port, 5);
  t.equal(read({ env: { PORT: '' } }).server.port, 3, 'an empty variable counts as not set');
});

test('text becomes values', async (t) => {
  const cwd = t.testdir({});
  const settings = loadSettings({
    cwd,
    env: {
      VEDETTE_ROLES: 'api, processor',
      VEDETTE_SERVER_ALLOW_RESET: 'yes',
      VEDETTE_SERVER_BODY_LIMIT: '512KiB',
      VEDETTE_STORAGE_RETENTION_MINUTE: 'forever',
      VEDETTE_STORAGE_RETENTION_DAY: '1.5d',
      VEDETTE_METRICS: JSON.stringify([
        { granularity: '5m' },
        {
          granularity: 'hour',
          aggregates: [
            { aggregate_function: 'avg', field: 'timings.ttfb' },
            { function: 'percentiles', field: 'values.packet_loss' },
          ],
        },
      ]),
      VEDETTE_TOPICS_FAILURES: 'checks-failed',
      KAFKA_BOOTSTRAP_SERVERS: 'a:9092,[::1]:9093',
      VEDETTE_TEST_ANYTHING: 'of the tests',
    },
  });
  t.match(settings, {
    roles: ['api', 'processor'],
    server: { allowReset: true, bodyLimitBytes: 524_288 },
    storage: { retention: { minuteMs: null, dayMs: 129_600_000 } },
    metrics: [
      { granularity: '5m' },
      {
        granularity: 'hour',
        aggregates: [
          { function: 'avg', field: 'timings.ttfb' },
          { function: 'histogram', field: 'values.packet_loss' },
        ],
      },
    ],
    topics: { failures: 'checks-failed' },
    kafkaConnection: { bootstrapServers: ['a:9092', '[::1]:9093'], tls: null, sasl: null },
  });
});

test('certificates: files relative to settings/ or to the file that names them, or PEM text', async (t) => {
  const cwd = t.testdir({
    settings: { 'ca.pem': PEM },
    elsewhere: { 'own.pem': PEM, 'own.yaml': 'kafka: { tls: { ca: own.pem } }\n' },
  });
  const servers = { KAFKA_BOOTSTRAP_SERVERS: 'k:9093' };
  const ca = (env: object, settingsFile?: string) =>
    loadSettings({ cwd, env: { ...servers, ...env }, settingsFile }).kafkaConnection?.tls?.ca;
  t.equal(ca({ KAFKA_CA_FILE: 'ca.pem' }), PEM);
  t.equal(ca({ KAFKA_CA: PEM.replaceAll('\n', '\\n') }), PEM, 'line breaks written as \\n');
  t.equal(ca({}, 'elsewhere/own.yaml'), PEM);
  t.equal(loadSettings({ cwd, env: servers }).kafkaConnection?.tls, null);
  t.same(loadSettings({ cwd, env: { ...servers, VEDETTE_KAFKA_TLS_MODE: 'on' } }).kafkaConnection?.tls, {
    ca: null,
    certificate: null,
    key: null,
  });
});

test('the database from parts and from URLs', async (t) => {
  const server = (env: Record<string, string>) => loadSettings({ cwd: t.testdir({}), env }).databaseServer;
  t.same(server({ DB_HOST: 'db' }), { host: 'db', port: 5432, user: 'postgres', database: 'vedette' });
  t.same(server({ DB_HOST: 'db', DB_PORT: '6', DB_USER: 'u', DB_PASS: '123', DB_NAME: 'n' }), {
    host: 'db',
    port: 6,
    user: 'u',
    password: '123',
    database: 'n',
  });
  t.same(server({ DATABASE_URL: 'postgresql://u%40x:p%2Fw@[::1]:6/n%20m' }), {
    host: '::1',
    port: 6,
    user: 'u@x',
    password: 'p/w',
    database: 'n m',
  });
  t.equal(server({ DATABASE_URL: 'postgres:///n?host=/run/postgresql' })?.host, '/run/postgresql');
  const tls = (env: Record<string, string>) => server({ DATABASE_URL: 'postgres://u@h/n', ...env })?.tls;
  t.equal(tls({}), undefined);
  t.same(tls({ DB_CA: PEM }), { ca: PEM, rejectUnauthorized: true });
  t.same(server({ DATABASE_URL: 'postgres://u@h/n?sslmode=require' })?.tls, { rejectUnauthorized: false });
  t.same(server({ DATABASE_URL: 'postgres://u@h/n?sslmode=verify-full' })?.tls, { rejectUnauthorized: true });
  t.match(tls({ DB_CA: PEM, VEDETTE_DATABASE_TLS_MODE: 'verify_ca' }), { checkServerIdentity: Function });
});

test('what is shown: values as they would be written, where they come from, and no secrets', async (t) => {
  const cwd = t.testdir({ settings: { 'default.yaml': 'scheduler: { lease: 10s }\n' } });
  const secrets = ['pa55word-of-db', 'kafka-pa55word', 'an-api-key-of-24-characters'];
  const { given } = resolveSettings({
    cwd,
    env: {
      DATABASE_URL: `postgres://me:${secrets[0]}@h/d`,
      VEDETTE_KAFKA_SASL_PASSWORD: secrets[1],
      KAFKA_SASL_USER: 'u',
      KAFKA_SASL_MECHANISM: 'plain',
      VEDETTE_SERVER_API_KEYS: secrets[2],
    },
    flags: { 'server.body_limit': '2MiB' },
  });
  const shown = showSettings(given);
  for (const secret of secrets) t.notMatch(JSON.stringify(shown), secret);
  const of = (wanted: string) => shown.find((row) => row.path === wanted);
  t.same(of('scheduler.lease'), { path: 'scheduler.lease', value: '10s', source: 'settings/default.yaml' });
  t.same(of('server.body_limit'), { path: 'server.body_limit', value: '2MiB', source: 'command line' });
  t.same(of('database.url')?.value, 'postgres://me:***@h/d');
  t.same(of('storage.retention.day'), { path: 'storage.retention.day', value: 'forever', source: 'default' });
});

test('secrets of jobs are variables with a prefix, and none of them is taken for a setting', async (t) => {
  const cwd = t.testdir({
    '.env': 'VEDETTE_SECRET_A=of the file\nVEDETTE_SECRET_B=of the file\n',
    run: {},
  });
  const env = {
    VEDETTE_SECRET_A: 'of the process',
    VEDETTE_SECRET_C: '',
    PGPASSWORD: 'x',
    VEDETTE_SECRETS_FOLDER: 'run',
  };
  const settings = loadSettings({ cwd, env });
  t.strictSame(settings.secretVariables, { VEDETTE_SECRET_A: 'of the process', VEDETTE_SECRET_B: 'of the file' });
  t.strictSame(settings.secrets, { folder: path.join(cwd, 'run'), file: null, envPrefix: 'VEDETTE_SECRET_' });
  const other = { ...env, MONITOR_SECRET_X: 'x' };
  const given = { cwd: t.testdir({ d: {} }), flags: { 'secrets.env_prefix': 'MONITOR_' } };
  t.strictSame(loadSettings({ ...given, env: { MONITOR_SECRET_X: 'x', OTHER_X: 'x' } }).secretVariables, {
    MONITOR_SECRET_X: 'x',
  });
  t.throws(() => loadSettings({ ...given, env: other }), {
    message: /VEDETTE_SECRET_A: given a value .* no such setting/,
  });
  const refused = [
    '',
    'x_',
    'A',
    'A-',
    '_',
    '=_',
    'VEDETTE_',
    'DB_',
    'VEDETTE_SERVER_',
    'DATABASE_',
    'VEDETTE_SECRETS_',
  ];
  for (const prefix of refused) {
    const flags = { 'secrets.env_prefix': prefix };
    t.throws(() => loadSettings({ cwd: '/nowhere', env: {}, flags }), { message: /secrets\.env_prefix/ }, prefix);
  }
});
