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
  t.equal((await app.inject('/job')).json()[0].push_token, MASK);
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
  t.equal((await reader.inject(`/job/${jobId}`)).json().push_token, MASK);
});
