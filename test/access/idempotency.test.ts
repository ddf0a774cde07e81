import type { FastifyInstance } from 'fastify';
import { type Test, test } from 'tap';
import { expireAccess } from '../../src/access/expiry.ts';
import { systemClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { createJobStore } from '../../src/jobs/postgres-store.ts';
import type { Database } from '../../src/postgres/database.ts';
import { createDatabase } from '../../src/postgres/pool.ts';
import type { OpenApiDocument } from '../api/openapi-document.ts';
import { testJobRules } from '../api/test-job-rules.ts';
import { createTestServer } from '../api/test-server.ts';
import { startProgram } from '../helpers/child.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/database.ts';
import { databaseDefaults } from '../helpers/defaults.ts';
import { until } from '../helpers/until.ts';

const ROOT = 'a-key-of-the-settings';
const JOB = { uri: 'http://127.0.0.1/', job_name: 'shop' };

function createApp(t: Test, database: Database): Promise<FastifyInstance> {
  const jobStore = createJobStore({ database, clock: systemClock, ...testJobRules });
  return createTestServer(t, { database, jobStore, apiKeys: [ROOT] });
}

/** A second pool, as of another process. */
async function otherPool(t: Test, { connectionString }: TestDatabase): Promise<Database> {
  const database = await createDatabase({ ...databaseDefaults, logger: silentLogger, poolSize: 4, connectionString });
  t.teardown(() => database.close());
  return database;
}

interface Sending {
  url?: string;
  as?: string;
  payload?: object;
}

const post = (app: FastifyInstance, key: string | null, { url = '/job', as = ROOT, payload = JOB }: Sending = {}) =>
  app.inject({
    method: 'POST',
    url,
    headers: { authorization: `Bearer ${as}`, ...(key === null ? {} : { 'idempotency-key': key }) },
    payload,
  });

async function countOf(database: Database, table: string): Promise<number | undefined> {
  return (await database.query<{ count: number }>(`SELECT count(*)::int AS count FROM ${table}`)).rows[0]?.count;
}

test('the same request with the same key makes one job, and has one answer', async (t) => {
  const database = await createTestDatabase(t);
  const app = await createApp(t, database);
  const first = await post(app, 'a-1');
  t.match(first, { statusCode: 201, headers: { location: '/job/1', etag: '"1"', 'cache-control': 'no-store' } });
  t.notOk('idempotent-replayed' in first.headers);
  t.match(first.json(), { job_id: 1, job_name: 'shop', running: true, version: 1, state: { counts: { count: 0 } } });
  const headers = { authorization: `Bearer ${ROOT}` };
  await app.inject({ method: 'PATCH', url: '/job/1', headers, payload: { job_name: 'changed' } });
  for (const key of ['a-1', '"a-1"']) {
    const again = await post(app, key);
    t.match(again, {
      ...{ statusCode: 201, body: first.body },
      headers: { location: '/job/1', etag: '"1"', 'cache-control': 'no-store', 'idempotent-replayed': 'true' },
    });
    t.equal(again.headers['content-type'], first.headers['content-type']);
  }
  await app.inject({ method: 'DELETE', url: '/job/1', headers });
  t.equal((await post(app, 'a-1')).body, first.body, 'also when the job is gone');
  t.equal(await countOf(database, 'jobs'), 1);
  t.equal(await countOf(database, "audit WHERE action = 'job.add'"), 1);
  t.equal((await post(app, 'a-2')).json().job_id, 2, 'another key is another job');
  for (const id of [3, 4]) t.equal((await post(app, null)).json().job_id, id, 'and so is each request without one');
});

test('a key belongs to one request of one principal', async (t) => {
  const database = await createTestDatabase(t);
  const app = await createApp(t, database);
  const makeKey = async (payload: object): Promise<{ id: number; key: string }> =>
    (await post(app, null, { url: '/key', payload })).json();
  const shop = await makeKey({ name: 'shop', role: 'editor', tags: ['shop'] });
  const payload = { ...JOB, tags: ['shop'] };
  t.equal((await post(app, 'k', { payload })).json().job_id, 1);
  for (const other of [{ payload: JOB }, { url: '/key', payload: { name: 'x' } }, { url: '/job?x=1', payload }]) {
    const refused = await post(app, 'k', other);
    t.match(refused.json(), {
      ...{ status: 422, code: 'VED_IDEMPOTENCY_KEY_REUSED', type: '/error/VED_IDEMPOTENCY_KEY_REUSED' },
      errors: [{ header: 'idempotency-key', detail: /^given "k", accepted: a key that/ }],
    });
  }
  const own = await post(app, 'k', { as: shop.key, payload });
  t.match(own.json(), { job_id: 2 }, 'of another principal it is another key');
  await app.inject({ method: 'DELETE', url: `/key/${shop.id}`, headers: { authorization: `Bearer ${ROOT}` } });
  const other = await makeKey({ name: 'shop', role: 'editor', tags: ['office'] });
  const foreign = await post(app, 'k', { as: other.key, payload });
  t.equal(foreign.statusCode, 422, 'a new key of that name, which does not reach the job, is not told of it');
  t.notMatch(foreign.body, /job_id/);
  t.equal((await post(app, 'k', { as: shop.key, payload })).statusCode, 401, 'an ended key is told nothing');
});

test('a key that cannot be one is refused, and one of 255 characters is not', async (t) => {
  const database = await createTestDatabase(t);
  const app = await createApp(t, database);
  for (const key of [
    '',
    'a b',
    'x'.repeat(256),
    `"${'x'.repeat(256)}"`,
    '"',
    '""',
    '"a',
    'ä',
    '"a"b"',
    '"a\\n"',
    '"a";v=1',
    'a, b',
  ]) {
    const refused = await post(app, key);
    t.match(
      refused.json(),
      {
        status: 400,
        code: 'VED_VALIDATION',
        errors: [{ header: 'idempotency-key', detail: /1 to 255 visible characters/ }],
      },
      JSON.stringify(key),
    );
  }
  const good = ['x'.repeat(255), `"${'x'.repeat(255)}"`, '~!@#$%^&*()_+{}|:<>?', '"\\"\\\\"', "'"];
  for (const key of good) t.equal((await post(app, key)).statusCode, 201, key);
  t.equal(await countOf(database, 'jobs'), good.length - 1, 'quoted or not, it is the same key');
});

test('a refused request leaves its key free', async (t) => {
  const database = await createTestDatabase(t);
  const app = await createApp(t, database);
  t.equal((await post(app, null, { payload: { ...JOB, job_id: 7 } })).statusCode, 201);
  t.equal((await post(app, 'k', { payload: { ...JOB, retries: -1 } })).statusCode, 400);
  t.equal((await post(app, 'k', { payload: { ...JOB, job_id: 7 } })).statusCode, 409);
  t.equal(await countOf(database, 'idempotency_keys'), 0);
  const made = await post(app, 'k');
  t.match(made, { statusCode: 201, headers: { location: '/job/8' } });
  t.notOk('idempotent-replayed' in made.headers);
});

test('a key of a program is made once, and its text is neither stored nor told again', async (t) => {
  const database = await createTestDatabase(t);
  const app = await createApp(t, database);
  const endMs = Date.now() + 2_000;
  const payload = { name: 'grafana', expires_at: new Date(endMs).toISOString() };
  const first = await post(app, 'k', { url: '/key', payload });
  t.match(first.json(), { name: 'grafana', key: /^ved_/ });
  const { rows } = await database.query<{ text: string }>(
    'SELECT idempotency_keys::text AS text FROM idempotency_keys',
  );
  t.match(rows[0]?.text, 'grafana');
  t.notMatch(rows[0]?.text, first.json().key.slice(13));
  await until('the end of the key', async () => Date.now() > endMs);
  const again = await post(app, 'k', { url: '/key', payload });
  t.match(again, { statusCode: 201, headers: { location: '/key/1', 'idempotent-replayed': 'true' } });
  t.strictSame(again.json(), { ...first.json(), key: null }, 'also when its end has come meanwhile');
  t.equal(await countOf(database, 'api_keys'), 1);
});

test('after a day a key is forgotten', async (t) => {
  const database = await createTestDatabase(t);
  const app = await createApp(t, database);
  await post(app, 'k');
  const age = (hours: number) =>
    database.query('UPDATE idempotency_keys SET created_at = now() - make_interval(hours => $1)', [hours]);
  await age(23);
  t.equal((await post(app, 'k')).headers['idempotent-replayed'], 'true');
  await age(25);
  t.match((await post(app, 'k', { payload: { ...JOB, job_name: 'other' } })).json(), { job_id: 2 });
  t.match(await post(app, 'k', { payload: { ...JOB, job_name: 'other' } }), {
    headers: { 'idempotent-replayed': 'true' },
  });
  await database.transaction((tx) => expireAccess(tx));
  t.equal(await countOf(database, 'idempotency_keys'), 1);
  await age(25);
  await database.transaction((tx) => expireAccess(tx));
  t.equal(await countOf(database, 'idempotency_keys'), 0);
});

test('many requests at once on two servers make one job', async (t) => {
  const database = await createTestDatabase(t);
  const apps = [await createApp(t, database), await createApp(t, await otherPool(t, database))];
  for (let round = 1; round <= 5; round++) {
    const key = `round-${round}`;
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => post(apps[i % 2] as FastifyInstance, key)));
    const made = answers.filter(({ statusCode, headers }) => statusCode === 201 && !('idempotent-replayed' in headers));
    t.equal(made.length, 1);
    for (const { statusCode, body, headers } of answers) {
      if (statusCode === 201) t.equal(body, made[0]?.body);
      else t.match({ statusCode, headers }, { statusCode: 409, headers: { 'retry-after': '1' } });
    }
    t.equal(await countOf(database, 'jobs'), round);
  }
});

const ADVISORY_LOCKS = `pg_locks WHERE locktype = 'advisory'
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;

test('while the first request is under way, the second is told to come later, on another server too', async (t) => {
  const database = await createTestDatabase(t);
  const pool = await otherPool(t, database);
  const [app, other] = [await createApp(t, database), await createApp(t, pool)];
  let first: ReturnType<typeof post> | undefined;
  await pool.transaction(async (tx) => {
    // Whoever makes a job waits for this row.
    await tx.query('SELECT FROM job_revision FOR UPDATE');
    first = post(app, 'k');
    first.catch(() => undefined);
    while ((await countOf(database, ADVISORY_LOCKS)) === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    const second = await post(other, 'k');
    t.match(second.json(), { status: 409, code: 'VED_IDEMPOTENCY_KEY_UNDER_WAY' });
    t.equal(second.headers['retry-after'], '1');
    t.equal((await post(other, 'k', { payload: { ...JOB, job_name: 'another' } })).statusCode, 409);
  });
  const made = await first;
  t.match(made, { statusCode: 201, headers: { location: '/job/1' } });
  t.match(await post(other, 'k'), { body: made?.body, headers: { 'idempotent-replayed': 'true' } });
  t.equal((await post(other, 'k', { payload: { ...JOB, job_name: 'another' } })).statusCode, 422);
  t.equal(await countOf(database, 'jobs'), 1);
});

for (const moment of ['before', 'after'] as const) {
  test(`a server that is killed ${moment} the job is committed makes no second one`, async (t) => {
    const database = await createTestDatabase(t);
    const program = startProgram(t, 'access/dying-server.ts', [database.connectionString, moment]);
    const url = await program.line();
    const headers = { 'idempotency-key': 'k', 'content-type': 'application/json' };
    await t.rejects(fetch(`${url}/job`, { method: 'POST', headers, body: JSON.stringify(JOB) }), 'nothing is answered');
    const app = await createTestServer(t, {
      database,
      jobStore: createJobStore({ database, clock: systemClock, ...testJobRules }),
    });
    const retry = () => app.inject({ method: 'POST', url: '/job', headers: { 'idempotency-key': 'k' }, payload: JOB });
    let answer = await retry();
    // PostgreSQL notices a moment later that the client is gone.
    for (let tries = 0; tries < 500 && answer.statusCode === 409; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      answer = await retry();
    }
    t.match(answer, { statusCode: 201, headers: { location: '/job/1', etag: '"1"' } });
    t.match(answer.json(), { job_id: 1, job_name: 'shop', version: 1 });
    t.equal(answer.headers['idempotent-replayed'], moment === 'after' ? 'true' : undefined);
    t.equal(await countOf(database, 'jobs'), 1);
    t.equal(await countOf(database, "audit WHERE action = 'job.add'"), 1);
  });
}

test('the document says which routes take a key', async (t) => {
  const app = await createTestServer(t);
  const { paths } = (await app.inject('/openapi.json')).json() as OpenApiDocument;
  const taking = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([, { parameters }]) => parameters?.some(({ name }) => name === 'idempotency-key'))
      .map(([method]) => `${method} ${path}`),
  );
  t.strictSame(taking.sort(), ['post /job', 'post /job/{job_id}/push-token', 'post /key', 'post /user']);
  t.match(paths['/job']?.post?.responses, {
    201: { headers: { 'Idempotent-Replayed': {}, Location: {} } },
    409: {
      content: { 'application/problem+json': { examples: { VED_IDEMPOTENCY_KEY_UNDER_WAY: {}, VED_JOB_EXISTS: {} } } },
    },
    422: { content: { 'application/problem+json': { examples: { VED_IDEMPOTENCY_KEY_REUSED: {} } } } },
  });
});

test('a user is made once for each key, and the password is in no answer', async (t) => {
  const database = await createTestDatabase(t);
  const app = await createApp(t, database);
  const payload = { email: 'ada@example.com', password: 'seven green kettles', role: 'viewer' };
  const [first, again] = [
    await post(app, 'u-1', { url: '/user', payload }),
    await post(app, 'u-1', { url: '/user', payload }),
  ];
  t.match(first, { statusCode: 201, headers: { location: '/user/1' } });
  t.match(again, { statusCode: 201, body: first.body, headers: { 'idempotent-replayed': 'true' } });
  t.notMatch(again.body, 'kettles');
  t.equal(await countOf(database, 'users'), 1);
  t.equal((await post(app, 'u-1', { url: '/user', payload: { ...payload, role: 'editor' } })).statusCode, 422);
  t.equal((await post(app, null, { url: '/user', payload })).statusCode, 409, 'without a key it is made again');
});
