import { openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { systemClock } from '../../src/core/clock.ts';
import { createLogger } from '../../src/core/logger.ts';
import { MASK } from '../../src/core/masking.ts';
import { createJobStore } from '../../src/jobs/postgres-store.ts';
import type { GivenReport, Taken } from '../../src/push/reports.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { testJobRules } from './test-job-rules.ts';
import { createTestServer } from './test-server.ts';

const TOKEN = 'a'.repeat(32);

async function setUp(t: Parameters<typeof createTestServer>[0], taken: Taken = 'taken') {
  const reports: GivenReport[] = [];
  const app = await createTestServer(t, {
    push: {
      tokenOf: async () => null,
      take: async (token, report) => {
        reports.push(report);
        return token === TOKEN ? taken : 'unknown token';
      },
    },
  });
  return { app, reports };
}

test('reports come by GET and POST, with what they say in the query or the body', async (t) => {
  const { app, reports } = await setUp(t);
  const query = 'status=degraded&message=slow&duration=1.5&values=rows:1200,left:-0.5';
  for (const [method, url, payload] of [
    ['GET', `/push/${TOKEN}`],
    ['POST', `/push/${TOKEN}`],
    ['GET', `/push/${TOKEN}?${query}`],
    ['POST', `/push/${TOKEN}`, { status: 'down', message: 'no space', values: { rows: 1 } }],
    ['POST', `/push/${TOKEN}/start`],
    ['GET', `/push/${TOKEN}/fail?message=no%20space`],
  ] as const) {
    const answer = await app.inject({ method, url, ...(payload ? { payload } : {}) });
    t.equal(answer.statusCode, 200, answer.body);
    t.strictSame(answer.json(), { accepted: true });
  }
  t.match(reports, [
    { kind: 'up' },
    { kind: 'up' },
    { kind: 'degraded', message: 'slow', durationSeconds: 1.5, values: { rows: 1200, left: -0.5 } },
    { kind: 'down', message: 'no space', values: { rows: 1 } },
    { kind: 'start' },
    { kind: 'down', message: 'no space' },
  ]);
});

test('bad reports are refused, and nothing is reported', async (t) => {
  const { app, reports } = await setUp(t);
  for (const [url, payload, message] of [
    ['?status=great', undefined, /status: given "great"/],
    [`?message=${'x'.repeat(201)}`, undefined, /message/],
    ['?values=Rows:1', undefined, /values/],
    ['?values=rows:1,rows:2', undefined, /values: given "rows:2", accepted: each name once/],
    ['?values=rows:1000000001', undefined, /values: given "rows:1000000001", accepted: at most 16 numbers/],
    ['/start?status=up', undefined, /status/],
    ['/fail', { status: 'up' }, /status/],
    ['', { values: { rows: 'many' } }, /values/],
    ['', { values: Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`n${n}`, n])) }, /values/],
    ['', { message: 'a\0b' }, /NUL/],
    ['', [1], /object/],
  ] as const) {
    const answer = await app.inject({ method: 'POST', url: `/push/${TOKEN}${url}`, ...(payload ? { payload } : {}) });
    t.equal(answer.statusCode, 400, `${url} ${answer.body}`);
    t.match(answer.json().message, message);
  }
  const large = await app.inject({ method: 'POST', url: `/push/${TOKEN}`, payload: { message: 'x'.repeat(20_000) } });
  t.equal(large.statusCode, 413);
  t.strictSame(reports, []);
});

test('HEAD reports like GET, OPTIONS and other methods report nothing, and no cache keeps an answer', async (t) => {
  const { app, reports } = await setUp(t);
  const url = `/push/${TOKEN}`;
  const head = await app.inject({ method: 'HEAD', url });
  t.equal(head.statusCode, 200);
  t.equal(head.headers['cache-control'], 'no-store');
  t.equal(reports.length, 1);
  for (const [method, status] of [
    ['OPTIONS', 204],
    ['PUT', 405],
    ['DELETE', 405],
  ] as const) {
    const { statusCode, headers } = await app.inject({ method, url });
    t.equal(statusCode, status, method);
    t.match(headers.allow, /GET.*HEAD.*POST/);
  }
  t.equal(reports.length, 1);
});

test('so many reports may wait at once; a further one is told to try again', async (t) => {
  let stored = () => {};
  const isStored = new Promise<void>((resolve) => {
    stored = resolve;
  });
  const push = { tokenOf: async () => null, take: () => isStored.then((): Taken => 'taken') };
  const app = await createTestServer(t, { push, options: { maxWaitingReports: 2 } });
  const waiting = [app.inject(`/push/${TOKEN}`), app.inject(`/push/${TOKEN}`)];
  const refused = await app.inject(`/push/${TOKEN}`);
  t.match(refused, { statusCode: 503, headers: { 'retry-after': '30' } });
  t.equal(refused.json().code, 'VED_BUSY');
  stored();
  for (const answer of waiting) t.equal((await answer).statusCode, 200);
  t.equal((await app.inject(`/push/${TOKEN}`)).statusCode, 200, 'there is room again');
});

test('unknown tokens are told apart from nothing', async (t) => {
  const { app } = await setUp(t);
  const answers = [];
  for (const token of ['x', 'b'.repeat(32), `${TOKEN}0`, '..%2fjob']) {
    const { statusCode, body } = await app.inject({ method: 'POST', url: `/push/${token}` });
    answers.push(`${statusCode} ${body}`);
  }
  t.match(answers[0], /^404 .*VED_PUSH_TOKEN_UNKNOWN/);
  t.equal(new Set(answers).size, 1);
});

test('a report that cannot be stored is answered with when to try again', async (t) => {
  const away = await (await setUp(t, 'unavailable')).app.inject(`/push/${TOKEN}`);
  t.equal(away.statusCode, 503);
  t.ok(Number(away.headers['retry-after']) > 0);
  const many = await (await setUp(t, 'too many')).app.inject(`/push/${TOKEN}`);
  t.equal(many.statusCode, 429);
  t.equal(many.headers['retry-after'], '60');
});

test('the token of a job is shown to those who may write, and in no log', async (t) => {
  const database = await createTestDatabase(t);
  const jobStore = createJobStore({ database, clock: systemClock, ...testJobRules });
  const file = join(t.testdir(), 'log');
  const logger = createLogger({ level: 'debug', fd: openSync(file, 'a') });
  const app = await createTestServer(t, { database, jobStore, logger });
  const made = await app.inject({ method: 'POST', url: '/job', payload: { type: 'push', job_name: 'backup' } });
  t.equal(made.statusCode, 201, made.body);
  const { job_id: jobId } = made.json();
  const { push_token: token } = (await app.inject(`/job/${jobId}`)).json();
  t.match(token, /^[0-9a-f]{32}$/);
  t.match((await app.inject(`/job/${jobId}`)).json().push_url, /^http:\/\/[^/]+\/push\/[0-9a-f]{32}$/);
  const [listed] = (await app.inject('/job')).json();
  t.equal(listed.push_token, MASK);
  t.notOk('push_url' in listed);
  const patched = await app.inject({
    method: 'PUT',
    url: `/job/${jobId}`,
    payload: (await app.inject(`/job/${jobId}`)).json(),
  });
  t.equal(patched.statusCode, 200, patched.body);
  t.equal(patched.json().push_token, token);
  t.equal((await app.inject({ method: 'POST', url: `/push/${token}` })).statusCode, 200);
  t.equal((await app.inject({ method: 'POST', url: `/push/${token}/nowhere` })).statusCode, 404);
  const log = readFileSync(file, 'utf8');
  t.notOk(log.includes(token));
  t.ok(log.includes('/push/:token'));
  const open = { loopback: false, anonymous: 'read' as const };
  const reader = await createTestServer(t, { database, jobStore, options: open, apiKeys: ['k'.repeat(32)] });
  const read = (await reader.inject(`/job/${jobId}`)).json();
  t.equal(read.push_token, MASK);
  t.notOk('push_url' in read);
});

test('a token is changed by those who may write, once for each Idempotency-Key; the old one is unknown at once', async (t) => {
  const database = await createTestDatabase(t);
  const jobStore = createJobStore({ database, clock: systemClock, ...testJobRules });
  const { job } = await jobStore.create({ type: 'push', job_name: 'backup', tags: ['night'] });
  const { job: other } = await jobStore.create({ uri: 'http://127.0.0.1/' });
  const options = { publicUrl: 'https://status.example.com' };
  const app = await createTestServer(t, { database, jobStore, options });
  const before = (await app.inject(`/job/${job.jobId}`)).json().push_token;
  const headers = { 'idempotency-key': 'one' };
  const url = `/job/${job.jobId}/push-token`;
  const first = await app.inject({ method: 'POST', url, headers });
  t.equal(first.statusCode, 201, first.body);
  const { push_token: token, push_url: address } = first.json();
  t.not(token, before);
  t.equal(address, `https://status.example.com/push/${token}`);
  t.match((await app.inject(`/job/${job.jobId}`)).json(), { push_token: token, push_url: address, version: 1 });
  const again = await app.inject({ method: 'POST', url, headers });
  t.match(again, { statusCode: 201, headers: { 'idempotent-replayed': 'true' }, body: first.body });
  t.equal((await app.inject(`/push/${before}`)).statusCode, 404);
  t.equal((await app.inject(`/push/${token}`)).statusCode, 200);
  const { rows: noted } = await database.query(
    "SELECT actor, subject, before, after FROM audit WHERE action = 'job.rotate_token'",
  );
  const masked = { push_token: MASK };
  t.strictSame(noted, [{ actor: 'local', subject: `job:${job.jobId}`, before: masked, after: masked }]);

  t.match(await app.inject({ method: 'POST', url: `/job/${other.jobId}/push-token` }), { statusCode: 409 });
  t.match(await app.inject({ method: 'POST', url: '/job/99/push-token' }), { statusCode: 404 });
  t.match(await app.inject({ method: 'POST', url, payload: { token: 'mine' } }), { statusCode: 400 });
  const open = { loopback: false, anonymous: 'read' as const };
  const reader = await createTestServer(t, { database, jobStore, options: open, apiKeys: ['k'.repeat(32)] });
  t.equal((await reader.inject({ method: 'POST', url })).statusCode, 401);
  const day = jobStore.as({ actor: { name: 'key:day', address: null }, tags: ['day'] });
  await t.rejects(day.rotatePushToken(job.jobId), { code: 'VED_JOB_NOT_FOUND' });
  t.equal((await app.inject(`/push/${token}`)).statusCode, 200, 'nothing was changed by those');
});
