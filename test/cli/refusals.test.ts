import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'tap';
import { freePort } from '../../scripts/free-port.ts';
import { createTestDatabaseUrl } from '../helpers/database.ts';
import { createRefusingBroker } from '../helpers/refusing-broker.ts';
import { spawnVedette, vedette } from './run.ts';

/** One line, and not a stack. */
const SENTENCE = /^error: [^\n]+\n$/;
const STACK = /\n\s+at |\\n\s+at /;

const client = readFileSync(path.join(import.meta.dirname, '../fixtures/tls/client.pem'), 'utf8');

test('a database that refuses the password, or has no such database', async (t) => {
  const refused = new URL(await createTestDatabaseUrl(t));
  const missing = new URL(refused);
  refused.password = 'not-this-one';
  missing.pathname = '/nowhere';
  const cwd = t.testdir({ 'jobs.json': '[]' });
  for (const command of [
    ['serve', '--port', '0'],
    ['process'],
    ['stats'],
    ['db', 'migrate'],
    ['verify'],
    ['once', '--stored'],
  ]) {
    const run = await vedette(t, command, { cwd, env: { DATABASE_URL: refused.href, VEDETTE_LOGGING_LEVEL: 'fatal' } });
    t.match(run, { code: 1, stderr: SENTENCE }, command.join(' '));
    t.match(
      run.stderr,
      `PostgreSQL at ${refused.host}${refused.pathname} cannot be used: password authentication failed`,
    );
    t.match(run.stderr, /See to DB_USER and DB_PASS \(or DATABASE_URL\)/);
    t.notMatch(run.stderr, /not-this-one/);
  }
  const run = await vedette(t, ['stats'], { cwd, env: { DATABASE_URL: missing.href } });
  t.match(run, { code: 1, stderr: SENTENCE });
  t.match(run.stderr, /createdb nowhere/);
});

test('a certificate that cannot be read, is damaged or has another key', async (t) => {
  const key = /-----BEGIN PRIVATE KEY-----[\s\S]*-----END PRIVATE KEY-----/.exec(client)![0];
  const cwd = t.testdir({
    settings: {
      'damaged.pem': '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n',
      'client.pem': client,
      'other.pem': readFileSync(path.join(import.meta.dirname, '../fixtures/tls/ca.pem')),
      'locked.pem': '-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n',
      'own.key': key,
    },
  });
  const database = { DATABASE_URL: 'postgres://u@127.0.0.1:1/d' };
  const kafka = { KAFKA_BOOTSTRAP_SERVERS: '127.0.0.1:1' };
  for (const [env, text] of [
    [{ ...database, DB_CA_FILE: 'none.pem' }, /database\.tls\.ca: given "none\.pem" .*ENOENT/],
    [{ ...database, DB_CA_FILE: 'damaged.pem' }, /database\.tls\.ca: given "damaged\.pem" .* is damaged/],
    [
      { ...database, VEDETTE_DATABASE_TLS_CERTIFICATE: 'other.pem', VEDETTE_DATABASE_TLS_KEY: 'own.key' },
      /database\.tls\.key: given the key of another certificate/,
    ],
    [{ ...kafka, KAFKA_CA_FILE: '.' }, /kafka\.tls\.ca: given "\." .*EISDIR/],
    [{ ...kafka, KAFKA_CA_FILE: 'damaged.pem' }, /kafka\.tls\.ca: .* is damaged/],
    [
      { ...kafka, KAFKA_CERTIFICATE_FILE: 'client.pem', KAFKA_KEY_FILE: 'locked.pem' },
      /kafka\.tls\.key: given "\*\*\*" .* a private key in PEM/,
    ],
  ] as const) {
    for (const command of [['serve', '--port', '0'], ['stats']]) {
      const run = await vedette(t, command, { cwd, env: env as Record<string, string> });
      t.match(run, { code: 1, stderr: text }, `${command[0]} ${Object.values(env).join(' ')}`);
      t.notMatch(run.stderr, STACK);
    }
  }
});

test('a Kafka that refuses the password', async (t) => {
  const env = {
    KAFKA_BOOTSTRAP_SERVERS: await createRefusingBroker(t),
    KAFKA_SASL_MECHANISM: 'plain',
    KAFKA_SASL_USER: 'somebody',
    KAFKA_SASL_PASSWORD: 'not-this-one',
    VEDETTE_STREAM_DRIVER: 'kafkajs',
    DATABASE_URL: await createTestDatabaseUrl(t),
    VEDETTE_LOGGING_LEVEL: 'fatal',
  };
  const cwd = t.testdir({ 'jobs.json': '[]' });
  for (const command of [['serve', '--port', '0'], ['tail'], ['replay']]) {
    const run = await vedette(t, command, { cwd, env });
    t.match(run, { code: 1, stderr: /^error: [^\n]+\n$/m }, command.join(' '));
    t.match(run.stderr, `Kafka at ${env.KAFKA_BOOTSTRAP_SERVERS}: `);
    t.match(run.stderr, /Invalid username or password \(see kafka\.sasl: mechanism, user, password\)/);
    t.notMatch(run.stderr, STACK);
    t.notMatch(run.stderr, /not-this-one/);
  }
});

test('a Kafka that is not there: a command says so, `serve` waits and says that it waits', async (t) => {
  const server = `127.0.0.1:${await freePort()}`;
  const env = {
    KAFKA_BOOTSTRAP_SERVERS: server,
    VEDETTE_STREAM_DRIVER: 'kafkajs',
    DATABASE_URL: await createTestDatabaseUrl(t),
  };
  const cwd = t.testdir({ 'jobs.json': '[]' });
  const run = await vedette(t, ['replay'], { cwd, env });
  t.match(run, { code: 1, stderr: SENTENCE });
  t.match(run.stderr, `Kafka at ${server}: `);
  t.match(run.stderr, /is Kafka running there, and is kafka\.bootstrap_servers right\?/);
  const serve = spawnVedette(t, ['serve', '--port', '0'], { cwd, env });
  const printed = await serve.printed(/"msg":"stream cannot be reached, waiting for it"/);
  t.match(printed, /"reason":"Kafka at .*is Kafka running there/);
  serve.child.kill('SIGINT');
  const { code, stdout, stderr } = await serve.finished;
  t.equal(code, 0, 'it was asked to end');
  t.notMatch(stdout + stderr, STACK);
});
