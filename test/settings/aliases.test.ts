import { readFileSync } from 'node:fs';
import path from 'node:path';
import { type Test, test } from 'tap';
import { ALIASES } from '../../src/settings/aliases.ts';
import { formatSettingProblem } from '../../src/settings/problems.ts';
import { settingLeaves } from '../../src/settings/resolve.ts';
import { loadSettings, resolveSettings, type Settings, SettingsError, showSettings } from '../../src/settings.ts';

const fixture = (name: string) => readFileSync(path.join(import.meta.dirname, '../fixtures/tls', name), 'utf8');
/** A block of the fixtures: those of a client have the key first. */
const pem = (label: string) =>
  new RegExp(`-----BEGIN ${label}-----[^-]*-----END ${label}-----\\n`).exec(fixture('client.pem'))?.[0] as string;
const cwd = (t: Test) =>
  t.testdir({
    settings: { 'ca.pem': pem('CERTIFICATE'), 'own.cert': pem('CERTIFICATE'), 'own.key': pem('PRIVATE KEY') },
  });

type Environment = Record<string, string>;

/** Each name with what it needs beside it, what it gives, and a value that says something else under another name. */
const ROWS: ReadonlyArray<
  readonly [
    name: string,
    value: string,
    beside: Environment,
    given: (s: Settings) => unknown,
    expected: unknown,
    other: Environment,
  ]
> = [
  [
    'POSTGRES_DSN',
    'postgres://u:p@h:1/d',
    {},
    (s) => s.databaseServer,
    { host: 'h', port: 1, user: 'u', password: 'p', database: 'd' },
    { DATABASE_URL: 'postgres://x/y' },
  ],
  [
    'postgresql_uri',
    'postgresql://h/d',
    {},
    (s) => s.databaseServer?.database,
    'd',
    { POSTGRES_DSN: 'postgres://x/y' },
  ],
  ['DATABASE_HOST', 'db', {}, (s) => s.databaseServer?.host, 'db', { DB_HOST: 'x' }],
  ['DATABASE_PORT', '5433', { DATABASE_HOST: 'db' }, (s) => s.databaseServer?.port, 5433, { DB_PORT: '1' }],
  ['DATABASE_DB', 'd', { DATABASE_HOST: 'db' }, (s) => s.databaseServer?.database, 'd', { DB_NAME: 'x' }],
  ['DATABASE_USER', 'u', { DATABASE_HOST: 'db' }, (s) => s.databaseServer?.user, 'u', { DB_USER: 'x' }],
  ['DATABASE_PASSWD', 'p', { DATABASE_HOST: 'db' }, (s) => s.databaseServer?.password, 'p', { DB_PASS: 'x' }],
  [
    'KAFKA_HOST',
    'k:1,l:2',
    {},
    (s) => s.kafkaConnection?.bootstrapServers,
    ['k:1', 'l:2'],
    { KAFKA_BOOTSTRAP_SERVERS: 'x:1' },
  ],
  [
    'KAFKA_CAFILE',
    'ca.pem',
    { KAFKA_HOST: 'k:1' },
    (s) => s.kafkaConnection?.tls?.ca,
    pem('CERTIFICATE'),
    { KAFKA_CA_FILE: 'own.cert' },
  ],
  [
    'KAFKA_CERTFILE',
    'own.cert',
    { KAFKA_HOST: 'k:1', KAFKA_KEYFILE: 'own.key' },
    (s) => s.kafkaConnection?.tls?.certificate,
    pem('CERTIFICATE'),
    { KAFKA_CERTIFICATE_FILE: 'ca.pem' },
  ],
  [
    'KAFKA_KEYFILE',
    'own.key',
    { KAFKA_HOST: 'k:1', KAFKA_CERTFILE: 'own.cert' },
    (s) => s.kafkaConnection?.tls?.key,
    pem('PRIVATE KEY'),
    { KAFKA_KEY_FILE: 'ca.pem' },
  ],
  [
    'KAFKA_USER',
    'u',
    { KAFKA_HOST: 'k:1', KAFKA_PASSWORD: 'p', KAFKA_SASL_MECHANISM: 'plain' },
    (s) => s.kafkaConnection?.sasl,
    { mechanism: 'plain', user: 'u', password: 'p' },
    { KAFKA_SASL_USER: 'x' },
  ],
  [
    'KAFKA_PASSWORD',
    'p',
    { KAFKA_HOST: 'k:1', KAFKA_USER: 'u', KAFKA_SASL_MECHANISM: 'plain' },
    (s) => s.kafkaConnection?.sasl?.password,
    'p',
    { KAFKA_SASL_PASSWORD: 'x' },
  ],
  ['KAFKA_TOPIC', 't', {}, (s) => s.topics.results, 't', { VEDETTE_TOPICS_RESULTS: 'x' }],
  ['KAFKA_TOPIC_SUCCESS', 't', {}, (s) => s.topics.success, 't', { VEDETTE_TOPICS_SUCCESS: 'x' }],
  ['KAFKA_TOPIC_FAILURE', 't', {}, (s) => s.topics.failures, 't', { VEDETTE_TOPICS_FAILURES: 'x' }],
];

test('each name that others use gives its setting, and is an error beside a name that says something else', async (t) => {
  const folder = cwd(t);
  for (const [name, value, beside, given, expected, other] of ROWS) {
    const env = { ...beside, [name]: value };
    t.same(given(loadSettings({ cwd: folder, env })), expected, name);
    const [[otherName, otherValue]] = Object.entries(other) as [[string, string]];
    const [problem] = problemsOf(folder, { ...env, [otherName]: otherValue });
    t.match(problem, name, `${name} is named`);
    t.match(problem, otherName, `${otherName} too`);
    t.match(problem, 'one of the two');
    t.same(
      given(
        loadSettings({ cwd: folder, env: { ...env, ...(name === 'postgresql_uri' ? {} : { [otherName]: value }) } }),
      ),
      expected,
      'the same is no conflict',
    );
  }
  const known = Object.values(ALIASES).flat();
  t.same(ROWS.map(([name]) => name).sort(), [...known].sort(), 'the table and this test are about the same names');
  const paths = new Set(settingLeaves().map(({ path }) => path));
  for (const path of Object.keys(ALIASES)) t.ok(paths.has(path), `${path} is a setting`);
  t.same(problemsOf(folder, { POSTGRES_DSN: 'postgres://h/d', DATABASE_HOST: 'x' }), [
    'database.host: given a value (DATABASE_HOST in the environment) beside database.url (POSTGRES_DSN in the environment), accepted: one of the two: the URL, or the parts',
  ]);
});

test('KAFKA_USER beside a client certificate and without a password is the name of its owner, no SASL', async (t) => {
  const folder = cwd(t);
  const tls = { KAFKA_HOST: 'k:1', KAFKA_CERTFILE: 'own.cert', KAFKA_KEYFILE: 'own.key' };
  const { kafkaConnection } = loadSettings({ cwd: folder, env: { ...tls, KAFKA_USER: 'avnadmin' } });
  t.equal(kafkaConnection?.sasl, null);
  t.match(problemsOf(folder, { ...tls, KAFKA_SASL_USER: 'u' }), [/kafka\.sasl\.mechanism/, /kafka\.sasl\.password/]);
  t.match(problemsOf(folder, { KAFKA_HOST: 'k:1', KAFKA_USER: 'u' }), [
    /kafka\.sasl\.mechanism/,
    /kafka\.sasl\.password/,
  ]);
});

test('a topic of copies cannot be the one that is counted', async (t) => {
  const folder = cwd(t);
  t.same(problemsOf(folder, { KAFKA_TOPIC: 't', KAFKA_TOPIC_SUCCESS: 't', KAFKA_TOPIC_FAILURE: 'f' }), [
    'topics.success: given "t" (KAFKA_TOPIC_SUCCESS in the environment), accepted: another topic than topics.results (KAFKA_TOPIC in the environment)',
  ]);
  t.match(problemsOf(folder, { KAFKA_TOPIC_FAILURE: 'checks' }), [/topics\.failures: .*topics\.results \(default\)/]);
});

test('connection strings as libpq reads them', async (t) => {
  const folder = cwd(t);
  const read = (POSTGRES_DSN: string) => loadSettings({ cwd: folder, env: { POSTGRES_DSN } }).databaseServer;
  t.same(read("host=db.test port=5433 dbname = 'my db' user=u password='it\\'s \\\\ s3cret' application_name=x"), {
    host: 'db.test',
    port: 5433,
    user: 'u',
    password: "it's \\ s3cret",
    database: 'my db',
  });
  t.match(read('host=/var/run/postgresql dbname=d'), { host: '/var/run/postgresql', port: 5432, user: 'postgres' });
  t.match(read('host=h dbname=d sslmode=require'), { tls: { rejectUnauthorized: false } });
  t.same(read('postgres://u%40:p%2Fw@[::1]:1/d?host=/tmp'), {
    host: '/tmp',
    port: 1,
    user: 'u@',
    password: 'p/w',
    database: 'd',
  });
  const refused = (dsn: string) => problemsOf(folder, { POSTGRES_DSN: dsn }).join('\n');
  t.match(refused('host=h'), /given no database/);
  t.match(refused('dbname=d'), /given no host/);
  t.match(refused('host=h dbname=d sslrootcert=ca.pem'), /parameter sslrootcert .*certificates go to database\.tls/);
  t.match(refused('host=h dbname=d port=x'), /given port x/);
  t.match(refused("host=h password='s3cret dbname=d"), /an unreadable text/);
  t.notMatch(refused("host=h password='s3cret dbname=d"), 's3cret');
  for (const dsn of [
    "host=h password = 's3cret x' dbname=d",
    'password=s3cret host=h dbname=d',
    'postgres://u:s3cret@h/d',
  ]) {
    const shown = showSettings(resolveSettings({ cwd: folder, env: { POSTGRES_DSN: dsn } }).given);
    const { value } = shown.find(({ path }) => path === 'database.url')!;
    t.notMatch(value, 's3cret', 'passwords are not shown');
    t.match(value, '***');
  }
});

function problemsOf(folder: string, env: Environment): string[] {
  try {
    loadSettings({ cwd: folder, env });
  } catch (error) {
    if (error instanceof SettingsError) return error.problems.map(formatSettingProblem);
    throw error;
  }
  return [];
}
