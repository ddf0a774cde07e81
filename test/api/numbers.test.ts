import type { LightMyRequestResponse } from 'fastify';
import { test } from 'tap';
import { binOf } from '../../src/aggregates/histogram.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';
import { insertMetric, insertResult, insertSpan } from '../stats/rows.ts';
import { MemoryJobStore } from './memory-job-store.ts';
import { createTestServer } from './test-server.ts';

const MINUTE = 60_000;
const NOW = Date.UTC(2026, 10, 21, 9, 0, 30);
const HOUR_AGO = Date.UTC(2026, 10, 21, 8);

test('metrics of any field are shown in the units of the message', async (t) => {
  const database = await createTestDatabase(t);
  const jobStore = new MemoryJobStore();
  await jobStore.create({ job_name: 'a', check_period_seconds: 10, uri: 'http://127.0.0.1/' });
  const app = await createTestServer(t, { database, jobStore, clock: createFakeClock({ wallMs: NOW }) });
  const extras = [
    { 'max_values.days_left': -2_500_000, 'avg_timings.ttfb': { sum: 300_000, count: 2 }, max_bytes: 5 },
    { 'max_values.days_left': -3_500_000, 'histogram_values.loss': { '-5': 1, 100: 3 }, 'last_values.loss': null },
  ];
  for (const [minute, extra] of extras.entries())
    await insertMetric(database, { at: HOUR_AGO + minute * MINUTE, up: 4, maintenance: [1, 0, 0], extra });
  const query = 'from=2026-11-21T08:00:00Z&to=2026-11-21T09:00:00Z&bucket=total&percentiles=25,100';
  const [bucket] = (await app.inject(`/job/1/metrics?${query}`)).json().metrics;
  t.match(bucket, { up: 8, maintenance_up: 2, maintenance_down: 0, uptime: 1 });
  t.same(bucket.extra, {
    ...{ 'max_values.days_left': -2.5, 'avg_timings.ttfb': 0.15, max_bytes: 5, 'last_values.loss': null },
    'histogram_values.loss': { 25: -0.000005, 100: 0.0001 },
  });
});

test('metrics: buckets with seconds, exact integers, coverage and percentiles', async (t) => {
  const database = await createTestDatabase(t);
  const jobStore = new MemoryJobStore();
  await jobStore.create({ job_name: 'a', check_period_seconds: 10, uri: 'http://127.0.0.1/' });
  const app = await createTestServer(t, { database, jobStore, clock: createFakeClock({ wallMs: NOW }) });
  await insertSpan(database, { period: 10_000, from: HOUR_AGO, to: null });
  for (let minute = 0; minute < 60; minute++) {
    const rt = [10_000, 20_000, 30_000, 40_000, 50_000 + minute];
    const hist = Object.fromEntries(rt.map((value) => [binOf(value), 1]));
    const row = {
      at: HOUR_AGO + minute * MINUTE,
      rt,
      hist,
      data: { 200: 4, 500: 1 },
      reasons: { status: 1, overload: 1 },
    };
    await insertMetric(database, { ...row, up: 4, down: 1, missed: minute === 7 ? 0 : 1 });
  }
  const get = async (query: string) => {
    const answer = await app.inject(`/job/1/metrics?${query}`);
    t.equal(answer.statusCode, 200, answer.body);
    return { body: answer.json(), link: answer.headers.link };
  };

  const { body } = await get('from=2026-11-21T08:00:00Z&to=2026-11-21T09:00:00Z&percentiles=50,99.9&limit=2');
  t.match(body, {
    ...{ job_id: 1, granularity: 'minute', bucket: 'minute', location: null, due: 360, counted: 359 },
    ...{ from: '2026-11-21T08:00:00.000Z', to: '2026-11-21T09:00:00.000Z' },
  });
  t.equal(body.coverage, 359 / 360);
  t.equal(body.known, 300 / 360, 'what was missed is accounted for, but not known');
  t.equal(body.metrics.length, 2);
  t.match(body.metrics[1], {
    ...{
      from: '2026-11-21T08:01:00.000Z',
      to: '2026-11-21T08:02:00.000Z',
      count: 6,
      up: 4,
      down: 1,
      missed: 1,
      uptime: 0.8,
    },
    ...{
      due: 6,
      coverage: 1,
      known: 5 / 6,
      rt_count: 5,
      rt_min: 0.01,
      rt_max: 0.050001,
      rt_min_us: 10_000,
      rt_max_us: 50_001,
    },
    ...{ rt_sum_us: 150_001, data: { 200: 4, 500: 1 }, reasons: { status: 1, overload: 1 }, extra: {} },
  });
  t.equal(body.metrics[1].rt_avg, 150_001 / 5 / 1e6);
  t.ok(Math.abs(body.metrics[1].percentiles['50'] - 0.03) <= 0.03 * 0.008);
  t.same(Object.keys(body.metrics[1].percentiles), ['50', '99.9']);

  const total = (await get('from=-1h&to=now&bucket=total&percentiles=95')).body;
  t.equal(total.from, '2026-11-21T08:00:00.000Z', 'widened to whole minutes');
  t.equal(total.to, '2026-11-21T09:01:00.000Z');
  t.equal(total.metrics.length, 1);
  t.match(total.metrics[0], { count: 359, rt_min_us: 10_000, rt_max_us: 50_059, due: 364 }, 'up to now');

  const epoch = (await get(`from=${HOUR_AGO}&to=${HOUR_AGO + 10 * MINUTE}&bucket=5m`)).body;
  t.same(
    epoch.metrics.map(({ count, due, coverage }: Record<string, number>) => [count, due, coverage]),
    [
      [30, 30, 1],
      [29, 30, 29 / 30],
    ],
  );

  const seen: string[] = [];
  for (let query: string | undefined = 'from=2026-11-21T08:00&to=2026-11-21T09:00&limit=25&order=desc'; query; ) {
    const page = await get(query);
    seen.push(...page.body.metrics.map(({ from }: { from: string }) => from));
    query = /\?(.+)>; rel="next"/.exec(String(page.link ?? ''))?.[1];
  }
  t.equal(seen.length, 60);
  t.same(seen, [...new Set(seen)].sort().reverse());

  t.match((await get('granularity=hour')).body, { metrics: [], due: 364 });
  t.match((await get('granularity=60m')).body, { granularity: 'hour' }, 'rows are stored under one name');
  t.match((await get('location=elsewhere')).body, {
    metrics: [],
    due: 0,
    counted: 0,
    coverage: null,
    known: null,
    location: 'elsewhere',
  });
});

test('metrics and results: what is wrong with a request', async (t) => {
  const database = await createTestDatabase(t);
  const app = await createTestServer(t, { database, clock: createFakeClock({ wallMs: NOW }) });
  await insertSpan(database, { from: HOUR_AGO });
  const cases: ReadonlyArray<[string, RegExp]> = [
    ['metrics?granularity=second', /granularity: given "second", accepted: one of minute, hour, day/],
    ['metrics?bucket=90s', /bucket: given "90s", accepted: total, or a length such as .* multiple of minute/],
    ['metrics?granularity=hour&bucket=5m', /bucket: given "5m"/],
    ['metrics?percentiles=50,x,101,0', /percentiles: given "x".*; percentiles: given "101".*; percentiles: given "0"/],
    ['metrics?percentiles=constructor', /percentiles: given "constructor"/],
    ['metrics?from=yesterday', /from: given "yesterday", accepted: ISO 8601 such as/],
    ['metrics?from=yesterday&to=tomorrow', /from: given "yesterday".*; to: given "tomorrow"/],
    ['metrics?from=2026-11-21&to=2026-11-20', /from: given "2026-11-21T00:00:00.000Z", accepted: a time before to/],
    ['metrics?from=2026-02-31', /from: given "2026-02-31"/],
    ['metrics?from=999999999999999', /from: given "999999999999999"/],
    ['metrics?limit=1001', /limit: given 1001, accepted: a number <= 1000/],
    ['metrics?order=up', /order: given "up", accepted: one of asc, desc/],
    ['results?outcome=odd', /outcome: given "odd", accepted: one of up, degraded, down, missed/],
    ['results?cursor=WzEsIigxLDEpIjsxXQ', /cursor: given/],
    [`results?cursor=${Buffer.from('[1,"(1,1)\'--"]').toString('base64url')}`, /cursor: given/],
    [`results?cursor=${Buffer.from('[1,"(4294967296,1)"]').toString('base64url')}`, /cursor: given/],
  ];
  for (const [path, message] of cases) {
    const answer = await app.inject(`/job/1/${path}`);
    t.match(answer.json(), { statusCode: 400, code: 'VED_VALIDATION', message }, path);
  }
  t.equal((await app.inject('/job/5/metrics')).json().code, 'VED_JOB_NOT_FOUND');
  t.equal((await app.inject('/job/5/results')).json().code, 'VED_JOB_NOT_FOUND');
  for (const from of [
    '2026-11-21T08:00:00%2B01:00',
    '2026-11-21T08:00:00+01:00',
    '2026-11-21T07:00',
    '1795244400000',
    '-7230s',
  ]) {
    t.equal(
      (await app.inject(`/job/1/metrics?from=${from}&granularity=minute`)).json().from,
      '2026-11-21T07:00:00.000Z',
      from,
    );
  }
});

test('results page by cursor, newest first', async (t) => {
  const database = await createTestDatabase(t);
  const app = await createTestServer(t, { database, clock: createFakeClock({ wallMs: NOW }) });
  for (let i = 0; i < 30; i++)
    await insertResult(database, { at: NOW - i * 1_000, offset: i, outcome: i % 3 ? 'up' : 'down' });
  const collect = async (query: string) => {
    const seen: number[] = [];
    for (let url: string | undefined = `/job/1/results?${query}`; url; ) {
      const answer: LightMyRequestResponse = await app.inject(url);
      t.equal(answer.statusCode, 200, answer.body);
      seen.push(...answer.json().map(({ offset }: { offset: number }) => offset));
      url = /^<(.+)>; rel="next"$/.exec(String(answer.headers.link ?? ''))?.[1];
    }
    return seen;
  };
  const all = Array.from({ length: 30 }, (_, index) => index);
  t.same(await collect('limit=7'), all);
  t.same(
    await collect('limit=4&outcome=down'),
    all.filter((i) => i % 3 === 0),
  );
  t.same(await collect('from=-10s&limit=3'), all.slice(0, 11));
  t.same((await app.inject('/job/1/results?limit=1')).json(), [
    {
      ...{ job_id: 1, location: 'default', slot: '2026-11-21T09:00:30.000Z', ts: '2026-11-21T09:00:30.000Z' },
      ...{
        outcome: 'down',
        reason: null,
        status: '200',
        response_time: 0.012345,
        rt_us: 12_345,
        timings: { tls_resumed: 0.002, ttfb: 0.01 },
      },
      ...{
        bytes: 2,
        attempt: 1,
        detail: null,
        values: {},
        maintenance: false,
        slots: 1,
        period_ms: null,
        epoch: 1,
        topic: 'checks',
        partition: 0,
        offset: 0,
      },
    },
  ]);
});

test('dead letters page by cursor and show what they are', async (t) => {
  const database = await createTestDatabase(t);
  const app = await createTestServer(t, { database });
  for (let i = 0; i < 5; i++) {
    await database.query(
      `INSERT INTO dead_letters (topic, partition, record_offset, line, bytes, error) VALUES ($1, 0, $2, 0, $3, 'not JSON')`,
      [i === 0 ? 'mine' : 'checks', i, Buffer.from([0x7b, 0xff, 0x00])],
    );
  }
  const first = await app.inject('/dead-letters?limit=3');
  t.same(
    first.json().map(({ offset }: { offset: number }) => offset),
    [4, 3, 2],
  );
  t.match(first.json()[0], { error: 'not JSON', size: 3, text: '{\ufffd\0', topic: 'checks' });
  const second = await app.inject(/<(.+)>/.exec(String(first.headers.link))?.[1] ?? '');
  t.same(
    second.json().map(({ offset }: { offset: number }) => offset),
    [1, 0],
  );
  t.notOk(second.headers.link);
  t.equal((await app.inject('/dead-letters?topic=mine')).json().length, 1);
});
