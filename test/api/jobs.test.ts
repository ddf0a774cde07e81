import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify';
import { type Test, test } from 'tap';
import { systemClock } from '../../src/core/clock.ts';
import { MASK } from '../../src/core/masking.ts';
import { toJob } from '../../src/jobs/mapping.ts';
import { createJobStore } from '../../src/jobs/postgres-store.ts';
import type { Database } from '../../src/postgres/database.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { insertProgress, insertResult, insertSpan } from '../stats/rows.ts';
import { createTestServer, type TestServerOptions, upReport } from './test-server.ts';

const definition = {
  job_name: 'check localhost',
  check_period_seconds: 60,
  uri: 'http://127.0.0.1:8080/website_mock',
  method: 'get',
};

interface Scene {
  app: FastifyInstance;
  database: Database;
  send(
    method: string,
    url: string,
    payload?: unknown,
    headers?: Record<string, string>,
  ): Promise<LightMyRequestResponse>;
}

async function createScene(t: Test, options: TestServerOptions = {}): Promise<Scene> {
  const database = await createTestDatabase(t);
  const jobStore = createJobStore({
    database,
    clock: systemClock,
    toJob,
    redact: (given) => given,
  });
  const app = await createTestServer(t, { database, jobStore, ...options });
  const send: Scene['send'] = async (method, url, payload, headers = {}) =>
    app.inject({
      method: method as 'GET',
      url,
      headers,
      ...(payload === undefined ? {} : { payload: payload as object }),
    } satisfies InjectOptions);
  return { app, database, send };
}

test('a job is made, read, replaced, patched and removed', async (t) => {
  const { send } = await createScene(t);
  const made = await send('POST', '/job', definition);
  t.equal(made.statusCode, 201, made.body);
  t.equal(made.headers.location, '/job/1');
  t.equal(made.headers.etag, '"1"');
  t.match(made.json(), {
    ...{ job_id: 1, ...definition, method: 'GET', running: true, version: 1, source: 'api' },
    state: { scheduled: false, next_slot: null, last: null, counts: { count: 0 }, uptime: null },
  });
  t.equal((await send('POST', '/job', { ...definition, job_id: 1 })).json().code, 'VED_JOB_EXISTS');
  t.equal((await send('POST', '/job', { ...definition, job_id: 7, enabled: false })).json().running, false);
  t.equal((await send('POST', '/job', definition)).json().job_id, 8, 'the next free number');

  const replaced = await send('PUT', '/job/1', { ...definition, job_name: 'b', tags: ['x'] });
  t.match(replaced.json(), { job_name: 'b', tags: ['x'], version: 2 });
  t.equal(replaced.headers.etag, '"2"');
  t.equal((await send('PUT', '/job/1', { ...definition, job_id: 2 })).statusCode, 400);
  t.equal((await send('PUT', '/job/99', definition)).json().code, 'VED_JOB_NOT_FOUND');

  const metrics = [{ granularity: 'hour', aggregates: [{ function: 'max', field: 'timings.ttfb' }] }];
  t.match((await send('PUT', '/job/7', { ...definition, metrics })).json(), { metrics });
  const unkept = await send('PUT', '/job/7', { ...definition, metrics: [{ ...metrics[0], granularity: '5m' }] });
  t.match(unkept.json(), { statusCode: 400, message: /metrics\[0\]\.granularity: given "5m", accepted: one of min/ });

  const patched = await send(
    'PATCH',
    '/job/1',
    { check_period_seconds: 5, tags: null },
    { 'content-type': 'application/merge-patch+json' },
  );
  t.match(patched.json(), { job_name: 'b', check_period_seconds: 5, version: 3 });
  t.same(patched.json().tags, [], 'the default again');
  t.match((await send('PATCH', '/job/1', { uri: null })).json(), { statusCode: 400, message: /uri: given nothing/ });

  t.equal((await send('DELETE', '/job/1')).statusCode, 204);
  t.equal((await send('GET', '/job/1')).json().code, 'VED_JOB_NOT_FOUND');
  t.equal((await send('DELETE', '/job/1')).json().code, 'VED_JOB_NOT_FOUND');
});

test('If-Match guards against changes of somebody else', async (t) => {
  const { send } = await createScene(t);
  await send('POST', '/job', definition);
  const first = await send('PATCH', '/job/1', { job_name: 'b' }, { 'if-match': '"1"' });
  t.equal(first.statusCode, 200);
  for (const method of ['PUT', 'PATCH', 'DELETE']) {
    const answer = await send(method, '/job/1', method === 'DELETE' ? undefined : definition, { 'if-match': '"1"' });
    t.match(answer.json(), { statusCode: 412, code: 'VED_VERSION_CONFLICT', message: /at version 2, not 1/ }, method);
  }
  t.equal((await send('PATCH', '/job/1', { job_name: 'c' }, { 'if-match': 'W/"9", "2"' })).statusCode, 200);
  t.equal((await send('PATCH', '/job/1', { job_name: 'd' }, { 'if-match': '*' })).statusCode, 200);
  // The version in the body guards as well: what GET answered may be sent back.
  const body = (await send('GET', '/job/1')).json();
  t.equal((await send('PUT', '/job/1', { ...body, job_name: 'e' })).statusCode, 200);
  t.match((await send('PUT', '/job/1', { ...body, job_name: 'f' })).json(), { code: 'VED_VERSION_CONFLICT' });
});

test('patches at the same time all take effect', async (t) => {
  const { send } = await createScene(t);
  await send('POST', '/job', { ...definition, headers: {} });
  const answers = await Promise.all([1, 2, 3].map((n) => send('PATCH', '/job/1', { headers: { [`h${n}`]: 'x' } })));
  t.same(
    answers.map(({ statusCode }) => statusCode),
    [200, 200, 200],
  );
  t.same((await send('GET', '/job/1')).json().headers, { h1: 'x', h2: 'x', h3: 'x' });
});

test('what the server adds cannot be set by a definition', async (t) => {
  const { send } = await createScene(t);
  await send('POST', '/job', definition);
  t.match((await send('POST', '/job', { ...definition, running: true })).json(), {
    statusCode: 400,
    message: /running: given true, accepted: only the keys/,
  });
  t.match((await send('PUT', '/job/1', { ...definition, running: false, source: 'file' })).json(), {
    statusCode: 400,
    message: /running: given false, accepted: true or nothing: POST \/job\/1\/stop changes it; source: given "file"/,
  });
  t.match((await send('PUT', '/job/1', { ...definition, colour: 'red' })).json(), {
    statusCode: 400,
    message: /colour: given "\*{8}", accepted: only the keys/,
  });
});

test('secrets are masked, and kept when the mask comes back', async (t) => {
  const { send, database } = await createScene(t);
  const auth = { type: 'basic', username: 'u', password: 'p4ss' };
  const made = await send('POST', '/job', { ...definition, uri: 'http://me:p4ss@127.0.0.1/', auth });
  t.notMatch(made.body, /p4ss/);
  t.match(made.json(), { auth: { ...auth, password: MASK }, uri: `http://me:${MASK}@127.0.0.1/` });
  const body = (await send('GET', '/job/1')).json();
  for (const answer of [
    await send('PUT', '/job/1', { ...body, job_name: 'b' }),
    await send('PATCH', '/job/1', { auth: { password: MASK } }),
    await send('PATCH', '/job/1', { job_name: 'c' }),
    await send('GET', '/job'),
  ]) {
    t.equal(answer.statusCode, 200, answer.body);
    t.notMatch(answer.body, /p4ss/);
  }
  const stored = async () =>
    (await database.query<{ definition: unknown }>('SELECT definition FROM jobs')).rows[0]?.definition;
  t.match(await stored(), { auth, uri: 'http://me:p4ss@127.0.0.1/' });
  for (const patch of [
    { auth: { type: 'bearer' } },
    { auth: { type: null } },
    { auth: { colour: 'red' } },
    { uri: 'x', colour: 1 },
  ]) {
    const refused = await send('PATCH', '/job/1', patch);
    t.equal(refused.statusCode, 400);
    t.notMatch(refused.body, /p4ss/, `${JSON.stringify(patch)} does not tell: ${refused.body}`);
  }
  await send('PATCH', '/job/1', { auth: { password: 'new' } });
  t.match(await stored(), { auth: { ...auth, password: 'new' } });
});

test('a search finds what people see, and a password by none of its letters', async (t) => {
  const { send } = await createScene(t);
  const uri = 'https://ann:p4ss-word@127.0.0.1/?token=p4ss-word&page=seven';
  await send('POST', '/job', { uri });
  await send('POST', '/job', { uri: 'http://127.0.0.1/', job_name: 'see https://ann:p4ss-word@127.0.0.1/' });
  const found = async (q: string) => (await send('GET', `/job?q=${encodeURIComponent(q)}`)).json().length;
  t.strictSame(await Promise.all(['ann', MASK, 'page=SEVEN', '127.0.0.1'].map(found)), [2, 2, 1, 2]);
  t.strictSame(await Promise.all(['p4', 'p4ss-word@', '=p', ':p'].map(found)), [0, 0, 0, 0]);
  for (const url of ['/job', '/?q=ann']) {
    const { body } = await send('GET', url, undefined, { accept: url === '/job' ? 'application/json' : 'text/html' });
    t.notMatch(body, /p4ss/, url);
    t.match(body, /127\.0\.0\.1/, url);
  }
});

test('lists are sorted by what is shown, counted, and filtered by several tags and outcomes', async (t) => {
  const { send, database } = await createScene(t);
  for (const [job_id, job_name, tags] of [
    [1, 'b', ['x', 'y']],
    [2, undefined, ['x']],
    [3, 'A', ['x', 'y']],
    [4, 'b', []],
  ] as const) {
    await send('POST', '/job', { uri: 'http://ann:aaa@127.0.0.1/', job_id, ...(job_name && { job_name }), tags });
  }
  await insertProgress(database, { jobId: 1, slot: 1_000, outcome: 'down' });
  await insertProgress(database, { jobId: 4, slot: 1_000, outcome: 'missed' });
  const ids = async (query: string) => {
    const seen: number[] = [];
    for (let next: string | undefined = `/job?limit=1&${query}`; next; ) {
      const answer = await send('GET', next);
      t.equal(answer.statusCode, 200, answer.body);
      seen.push(...answer.json().map((job: { job_id: number }) => job.job_id));
      next = /^<(.+)>; rel="next"$/.exec(String(answer.headers.link ?? ''))?.[1];
    }
    return seen;
  };
  t.strictSame(await ids('sort=job_name'), [3, 1, 4, 2], 'a job without a name is called by its shown address');
  t.strictSame(await ids('sort=-job_name'), [2, 4, 1, 3]);
  t.strictSame(await ids('sort=-job_id'), [4, 3, 2, 1]);
  t.strictSame(await ids('sort=created_at'), [1, 2, 3, 4]);
  t.strictSame(await ids('sort=-updated_at'), [4, 3, 2, 1]);
  t.strictSame(await ids('tag=x,y'), [1, 3]);
  t.strictSame(await ids('outcome=down,missed'), [1, 4]);
  const counted = await send('GET', '/job?limit=1&tag=x&total=true');
  t.equal(counted.headers['total-count'], '3');
  const other = /cursor=([^&>]+)/.exec(String(counted.headers.link))?.[1];
  t.equal((await send('GET', `/job?sort=job_name&cursor=${other}`)).statusCode, 400, 'a cursor of another order');
  t.equal((await send('GET', '/job?sort=uri')).statusCode, 400);
});

test('a client that has the answer already gets 304; what the state adds to the tag guards no change', async (t) => {
  const { send, database } = await createScene(t);
  await send('POST', '/job', definition);
  for (const url of ['/job/1', '/job']) {
    const etag = String((await send('GET', url)).headers.etag);
    const again = await send('GET', url, undefined, { 'if-none-match': etag });
    t.match(again, { statusCode: 304, body: '' });
    await insertProgress(database, { jobId: 1, location: url, slot: 1_000, outcome: 'down' });
    t.equal((await send('GET', url, undefined, { 'if-none-match': etag })).statusCode, 200, 'a result was counted');
  }
  const { etag } = (await send('GET', '/job/1')).headers;
  t.equal((await send('PATCH', '/job/1', { job_name: 'b' }, { 'if-match': String(etag) })).statusCode, 200);
  t.equal((await send('PATCH', '/job/1', { job_name: 'c' }, { 'if-match': String(etag) })).statusCode, 412);
});

test('the plural leads to the singular', async (t) => {
  const { send } = await createScene(t);
  t.match(await send('GET', '/jobs?tag=x&limit=2'), { statusCode: 308, headers: { location: '/job?tag=x&limit=2' } });
  t.match(await send('GET', '/jobs/7'), { statusCode: 308, headers: { location: '/job/7' } });
});

test('a patch leaves defaults alone that nobody gave', async (t) => {
  const { send } = await createScene(t);
  t.equal((await send('POST', '/job', definition)).json().timeout_seconds, 10);
  const patched = await send('PATCH', '/job/1', { check_period_seconds: 5 });
  t.match(patched.json(), { check_period_seconds: 5, timeout_seconds: 4 }, patched.body);
});

test('jobs of the job file are started and stopped here, but not edited', async (t) => {
  const { send, database } = await createScene(t);
  await send('POST', '/job', definition);
  await database.query(`UPDATE jobs SET source = 'file'`);
  for (const [method, payload] of [
    ['PUT', definition],
    ['PATCH', { job_name: 'b' }],
    ['DELETE', undefined],
  ] as const) {
    t.match((await send(method, '/job/1', payload)).json(), {
      statusCode: 409,
      code: 'VED_JOB_MANAGED_BY_FILE',
      message: /job file.*edit it there/,
    });
  }
  t.equal((await send('POST', '/job/1/stop')).json().running, false);
});

test('start and stop are idempotent and know unknown jobs', async (t) => {
  const { send } = await createScene(t);
  await send('POST', '/job', definition);
  for (const [action, running] of [
    ['stop', false],
    ['stop', false],
    ['start', true],
    ['start', true],
  ] as const) {
    const answer = await send('POST', `/job/1/${action}`);
    t.equal(answer.statusCode, 200);
    t.match(answer.json(), { running, version: 1 });
  }
  t.equal(
    (await send('POST', '/job/1/start', {}, { 'content-type': 'application/json' })).statusCode,
    200,
    'an empty object',
  );
  t.equal((await send('POST', '/job/9/start')).json().code, 'VED_JOB_NOT_FOUND');
});

test('lists page by cursor and filter', async (t) => {
  const { send, database } = await createScene(t);
  for (let id = 1; id <= 25; id++) {
    await send('POST', '/job', {
      ...definition,
      job_id: id * 3,
      job_name: `Site ${id}`,
      tags: id % 2 ? ['odd'] : [],
      enabled: id !== 5,
    });
  }
  await insertProgress(database, { jobId: 9, slot: 1_000, outcome: 'down', up: 5, down: 1 });
  const collect = async (url: string) => {
    const seen: number[] = [];
    for (let next: string | undefined = url; next; ) {
      const answer = await send('GET', next);
      t.equal(answer.statusCode, 200, answer.body);
      seen.push(...answer.json().map((job: { job_id: number }) => job.job_id));
      next = /^<(.+)>; rel="next"$/.exec(String(answer.headers.link ?? ''))?.[1];
    }
    return seen;
  };
  const all = Array.from({ length: 25 }, (_, index) => (index + 1) * 3);
  for (const limit of [1, 7, 25, 100]) t.same(await collect(`/job?limit=${limit}`), all, `limit ${limit}`);
  t.same(await collect('/job?q=site%202&limit=2'), [6, 60, 63, 66, 69, 72, 75]);
  t.same(await collect('/job?running=false'), [15]);
  t.same(await collect('/job?outcome=down'), [9]);
  t.equal((await collect('/job?tag=odd&limit=3')).length, 13);
  t.same(await collect('/job?q=%25'), [], 'wildcards of SQL are plain characters');
});

test('the state of a job comes from what was counted', async (t) => {
  const { send, database } = await createScene(t, {
    scheduler: {
      status: () => {
        throw new Error('unused');
      },
      nextSlot: () => 1_795_248_000_000,
    },
  });
  await send('POST', '/job', definition);
  await insertProgress(database, {
    slot: 1_795_247_999_000,
    outcome: 'down',
    up: 3,
    down: 1,
    codes: { 200: 3, 500: 1 },
  });
  await insertSpan(database, { from: 1_795_247_000_000 });
  t.match((await send('GET', '/job/1')).json().state, {
    scheduled: true,
    next_slot: '2026-11-21T08:00:00.000Z',
    last: {
      outcome: 'down',
      status: '200',
      response_time: 0.012345,
      slot: '2026-11-21T07:59:59.000Z',
      location: 'default',
    },
    ...{ counts: { count: 4, up: 3, down: 1 }, codes: { 200: 3, 500: 1 }, uptime: 0.75 },
  });
  await send('POST', '/job/1/stop');
  t.equal((await send('GET', '/job/1')).json().state.next_slot, null);
});

test('why the last result is what it is: one harmless line, without secrets', async (t) => {
  const { send, database } = await createScene(t);
  await send('POST', '/job', { ...definition, secrets: ['customer'] });
  const at = Math.floor(Date.now() / 60_000) * 60_000;
  const bad = '\u001b[31mred\n\u009b2J\u202eeslaf';
  const addresses = 'https://me:hunter22@site.test/?token=abc123&customer=77&page=1';
  await insertResult(database, { at, outcome: 'down', detail: `${bad} at ${addresses}` });
  await insertProgress(database, { slot: at, outcome: 'down', down: 1 });
  const shown = `\\x1b[31mred\\n\\u009b2J\\u202eeslaf at https://me:${MASK}@site.test/?token=${MASK}&customer=${MASK}&page=1`;
  const { state } = (await send('GET', '/job/1')).json();
  t.equal(state.last.detail, shown);
  t.equal(state.locations[0].detail, shown);
  t.equal((await send('GET', '/job')).json()[0].state.last.detail, shown);
  t.match((await send('GET', '/job/1/results')).json()[0].detail, /^\\x1b\[31mred/);
  await insertProgress(database, { slot: at + 60_000, topic: 'later', outcome: 'up', up: 1 });
  t.equal((await send('GET', '/job/1')).json().state.last.detail, null, 'nothing to say about one that is up');
});

test('a check by hand is answered in full; too many at once are refused', async (t) => {
  let underWay = 0;
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { send } = await createScene(t, {
    options: { maxConcurrentChecks: 2 },
    checks: async () => {
      underWay++;
      await held;
      return { ...upReport(), values: { days_left: -1.5 }, facts: { remote_address: '127.0.0.1' } };
    },
  });
  await send('POST', '/job', definition);
  const first = [send('POST', '/job/1/check'), send('POST', '/job/1/check')];
  while (underWay < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  const refused = await send('POST', '/job/1/check');
  t.match(refused.json(), { statusCode: 503, code: 'VED_BUSY', message: /2 checks by hand are under way, at most 2/ });
  t.equal(refused.headers['retry-after'], '1');
  release();
  for (const answer of await Promise.all(first)) {
    t.same(answer.json(), {
      ...{ job_id: 1, started_at: '2026-11-21T08:00:00.000Z', outcome: 'up', reason: null, status: '200' },
      ...{ response_time: 0.0123, timings: { connect: 0.001 }, bytes: null, detail: null, values: { days_left: -1.5 } },
      facts: { remote_address: '127.0.0.1' },
    });
  }
  t.equal((await send('POST', '/job/1/check')).statusCode, 200);
  t.equal((await send('POST', '/job/9/check')).json().code, 'VED_JOB_NOT_FOUND');
});
