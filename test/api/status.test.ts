import { test } from 'tap';
import type { LiveInstance, ProcessorPort, SchedulerPort } from '../../src/api/ports.ts';
import { systemClock } from '../../src/core/clock.ts';
import { reset } from '../../src/installation/reset.ts';
import { toJob } from '../../src/jobs/mapping.ts';
import { createJobStore } from '../../src/jobs/postgres-store.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';
import { insertProgress } from '../stats/rows.ts';
import { createTestServer, lagPort } from './test-server.ts';

const NOW = Date.UTC(2026, 10, 21, 9);

const scheduler: SchedulerPort = {
  status: () => ({
    ...{ startedAt: NOW - 60_000, runningJobs: 5, produced: 100, missedByReason: { overload: 3 }, inFlight: 2 },
    ...{
      queuedBytes: 1_024,
      latenessMs: { p50: 0.5, p99: 4, max: 9 },
      clockAheadMs: 1_500,
      clockProblem: null,
      stallProblem: null,
      threads: [],
      threadProblem: null,
    },
  }),
  nextSlot: () => null,
};
const processor: ProcessorPort = {
  status: () => ({
    ...{ consumed: 90, duplicates: 1, fenced: 2, deadLetters: 3, flushes: 4 },
    ...{ refused: { epoch: 2 }, flushSeconds: 0.5, lastFlushSeconds: 0.02 },
  }),
};

function instance(given: Partial<LiveInstance>): LiveInstance {
  const seenAt = new Date(NOW - 1_000);
  return {
    ...{ instanceId: 'test-1', roles: ['api', 'scheduler', 'processor'], location: 'default', version: '0.1.0' },
    ...{ startedAt: new Date(NOW - 90_000), seenAt, stats: { runningJobs: 4, produced: 1, consumed: 1 } },
    ...given,
  };
}

test('a clock that is wrong and checks without verdicts are problems of all, and numbers for Prometheus', async (t) => {
  const own = 'the clock of this machine is 1800 s ahead of that of PostgreSQL, which is followed';
  const others = 'the clock jumped 3600 s ahead: checks wait until it is certain that it stays there';
  const stalled = '4 % of the checks of the last minutes are missed (stalled): this machine is too busy to judge them';
  const lost = 'check thread 2 ended once (out of memory); it runs again';
  const threads = [
    { underWay: 7, restarts: 0, busyMs: 1_500 },
    { underWay: 0, restarts: 1, busyMs: 250 },
  ];
  const wrong: SchedulerPort = {
    ...scheduler,
    status: () => ({
      ...scheduler.status(),
      ...{ clockAheadMs: 1_800_000, clockProblem: own, threads, threadProblem: lost },
    }),
  };
  const app = await createTestServer(t, {
    ...{ scheduler: wrong, processor, roles: ['api', 'scheduler', 'processor'] },
    liveInstances: async () => [
      instance({}),
      instance({ instanceId: 'b', roles: ['scheduler'], stats: { runningJobs: 7, clockProblem: others } }),
      instance({
        instanceId: 'c',
        roles: ['scheduler'],
        stats: { stallProblem: stalled, threadProblem: lost, threads: 3 },
      }),
    ],
  });
  t.match((await app.inject('/')).json(), {
    status: 'degraded',
    problems: [
      `scheduler b: ${others}`,
      `scheduler c: ${stalled}`,
      `scheduler c: ${lost}`,
      `scheduler test-1: ${own}`,
      `scheduler test-1: ${lost}`,
    ],
  });
  const { body } = await app.inject('/metrics');
  t.match(body, /^vedette_scheduler_clock_ahead_seconds 1800$/m);
  t.match(body, /^vedette_scheduler_clock_problem 1$/m);
  t.match(body, /^vedette_scheduler_thread_checks_in_flight{thread="1"} 7$/m);
  t.match(body, /^vedette_scheduler_thread_restarts_total{thread="2"} 1$/m);
  t.match(body, /^vedette_scheduler_thread_busy_seconds_total{thread="1"} 1.5$/m);
  t.match((await app.inject('/instances')).json(), [
    {},
    { stats: { stallProblem: stalled, threadProblem: lost, threads: 3 } },
    {},
  ]);
});

test('GET / sums over live instances and speaks for itself with its newest numbers', async (t) => {
  const other = instance({
    instanceId: 'b',
    roles: ['scheduler'],
    startedAt: new Date(NOW - 120_500),
    stats: { runningJobs: 7, produced: 1_000 },
  });
  const app = await createTestServer(t, {
    ...{ scheduler, processor, roles: ['api', 'scheduler', 'processor'], clock: createFakeClock({ wallMs: NOW }) },
    liveInstances: async () => [instance({}), other],
    produced: async () => 1_100,
    lag: lagPort({ lag: 10, counted: 90, refused: 3 }),
  });
  const answer = await app.inject('/');
  t.match(answer.headers['content-type'], /^application\/json/);
  t.match(answer.headers.vary, /accept/);
  t.same(answer.json(), {
    ...{ name: 'vedette', version: '0.1.0', status: 'ok', problems: [], scheduler_up_time: 120.5 },
    ...{
      number_of_running_jobs: 12,
      number_of_produced_messages: 1_100,
      number_of_consumed_messages: 90,
      number_of_refused_messages: 3,
      lag: 10,
      stalls: [],
    },
    ...{ roles: ['api', 'scheduler', 'processor'], stream: { driver: 'embedded', topic: 'checks' }, instances: 2 },
    time: '2026-11-21T09:00:00.000Z',
    links: { jobs: '/job', docs: '/docs', openapi: '/openapi.json', metrics: '/metrics' },
  });
  t.match((await app.inject('/instances')).json(), [
    { instance_id: 'b', roles: ['scheduler'] },
    { instance_id: 'test-1' },
  ]);
});

test('a job that runs at two locations is one running job', async (t) => {
  const database = await createTestDatabase(t);
  const open = (jobId: number, location: string, toSlot: number | null = null) =>
    database.query(
      `INSERT INTO schedule_spans (job_id, location, version, period_ms, phase_ms, topic, epoch, from_slot, to_slot, slot_count)
       VALUES ($1, $2, 1, 1000, 0, 'checks', 1, $3, $4, $5)`,
      [jobId, location, NOW, toSlot, toSlot === null ? null : 1],
    );
  for (const location of ['berlin', 'tokyo']) await open(1, location);
  await open(2, 'tokyo');
  await open(3, 'berlin', NOW);
  await open(4, 'where no scheduler is alive');
  const app = await createTestServer(t, {
    ...{ database, clock: createFakeClock({ wallMs: NOW }) },
    liveInstances: async () => ['berlin', 'tokyo'].map((location) => instance({ instanceId: location, location })),
  });
  t.equal((await app.inject('/')).json().number_of_running_jobs, 2);
});

test('GET / works without the database, and says what is missing', async (t) => {
  const app = await createTestServer(t, {
    ...{ scheduler, clock: createFakeClock({ wallMs: NOW }) },
    liveInstances: async () => {
      throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    },
  });
  t.match((await app.inject('/')).json(), {
    status: 'degraded',
    problems: [/PostgreSQL cannot be reached/],
    number_of_produced_messages: 100,
  });
  const lonely = await createTestServer(t);
  t.match((await lonely.inject('/')).json(), {
    status: 'degraded',
    scheduler_up_time: null,
    problems: [/no scheduler/, /no processor/],
    instances: 1,
  });
});

test('who gets the page, and who JSON', async (t) => {
  const app = await createTestServer(t);
  const typeFor = async (accept: string | undefined) =>
    (await app.inject({ url: '/', headers: accept === undefined ? {} : { accept } })).headers['content-type'];
  const chrome = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8';
  for (const accept of [chrome, 'text/html', 'text/*', 'text/html;q=0.9, application/json;q=0.1'])
    t.match(await typeFor(accept), 'text/html', accept);
  for (const accept of [
    undefined,
    '',
    '*/*',
    'application/json',
    'application/json, text/html',
    'application/json, text/*;q=0.5',
    'text/html;q=0',
    'image/png',
    'text/html;q=x',
  ]) {
    t.match(await typeFor(accept), 'application/json', String(accept));
  }
});

test('readiness names each dependency with its reason', async (t) => {
  const clock = createFakeClock({ wallMs: NOW });
  let database: string | null = null;
  const app = await createTestServer(t, {
    clock,
    readiness: [
      { name: 'database', check: async () => database },
      {
        name: 'stream',
        check: async () => {
          if (database !== null) throw new Error('no broker');
          return null;
        },
      },
      { name: 'processor', check: () => (database === null ? Promise.resolve(null) : new Promise(() => undefined)) },
    ],
  });
  t.match(await app.inject('/health/ready').then((answer) => ({ code: answer.statusCode, body: answer.json() })), {
    ...{
      code: 200,
      body: {
        status: 'ready',
        checks: [{ name: 'database', state: 'ready' }, { name: 'stream' }, { name: 'processor' }],
      },
    },
  });
  database = 'connect ECONNREFUSED';
  const waiting = app.inject('/health/ready').then((answer) => answer);
  while (clock.pending === 0) await new Promise((resolve) => setImmediate(resolve));
  await clock.advance(2_000);
  const answer = await waiting;
  t.equal(answer.statusCode, 503);
  t.same(answer.json(), {
    status: 'not_ready',
    checks: [
      { name: 'database', state: 'not_ready', reason: 'connect ECONNREFUSED' },
      { name: 'stream', state: 'not_ready', reason: 'no broker' },
      { name: 'processor', state: 'not_ready', reason: 'no answer within 2000 ms' },
    ],
  });
  t.equal(clock.pending, 0, 'no timer stays behind');
  t.same((await app.inject('/health/live')).json(), { status: 'alive' });
});

test("App Engine's requests are answered, change nothing, and need no database", async (t) => {
  const app = await createTestServer(t, { options: { loopback: false } });
  for (const name of ['start', 'stop', 'warmup', 'health']) {
    const answer = await app.inject({ url: `/_ah/${name}`, headers: { host: 'anything.example' } });
    t.match(answer, { statusCode: 200, headers: { 'cache-control': 'no-store' } }, name);
    t.same(answer.json(), { status: 'alive' });
    t.match((await app.inject({ method: 'POST', url: `/_ah/${name}` })).json(), { code: 'VED_METHOD_NOT_ALLOWED' });
  }
  t.match((await app.inject('/_ah/other')).json(), { code: 'VED_NOT_FOUND' });
});

test('a process without the API answers probes and /metrics, and nothing else', async (t) => {
  const ready = [{ name: 'database', check: async () => null }];
  const app = await createTestServer(t, { processor, readiness: ready, options: { probesOnly: true } });
  for (const url of ['/health/live', '/health/ready', '/_ah/start', '/metrics']) {
    t.equal((await app.inject(url)).statusCode, 200, url);
  }
  t.match((await app.inject('/metrics')).body, 'vedette_counting_stalled 0');
  for (const url of ['/', '/job', '/docs', '/openapi.json', '/website_mock']) {
    t.match((await app.inject(url)).json(), { code: 'VED_NOT_FOUND' }, url);
  }
});

test('Prometheus is told durable counters and the numbers of this process', async (t) => {
  const database = await createTestDatabase(t);
  await insertProgress(database, { slot: 1, up: 3, down: 1, codes: { 200: 3, 'we"ird\\': 1 } });
  await insertProgress(database, { slot: 1, topic: 'mine', up: 2, codes: { 200: 2 } });
  await insertProgress(database, { jobId: 2, slot: 1, up: 5, codes: { 204: 5 } });
  const partition = {
    topic: 'checks',
    partition: 0,
    next: 5,
    end: 15,
    lag: 10,
    settled: 5,
    owner: null,
    unchangedMs: 1,
  };
  const lag = lagPort({ lag: 10, partitions: [partition] });
  const ports = { database, scheduler, processor, lag, liveInstances: async () => [instance({})] };
  const scrape = async (options = {}) => {
    const answer = await (await createTestServer(t, { ...ports, options })).inject('/metrics');
    t.equal(answer.statusCode, 200);
    t.match(answer.headers['content-type'], /^text\/plain; version=0.0.4/);
    return answer.body.split('\n');
  };
  const lines = await scrape();
  for (const line of [
    'vedette_database_up 1',
    'vedette_instances 1',
    'vedette_results_total{outcome="up"} 10',
    'vedette_results_total{outcome="down"} 1',
    'vedette_job_results_total{job_id="1",location="default",outcome="up"} 5',
    'vedette_job_responses_total{job_id="1",location="default",code="200"} 5',
    'vedette_job_responses_total{job_id="1",location="default",code="we\\"ird\\\\"} 1',
    'vedette_job_responses_total{job_id="2",location="default",code="204"} 5',
    'vedette_scheduler_missed_total{reason="overload"} 3',
    'vedette_scheduler_lateness_seconds{quantile="0.99"} 0.004',
    'vedette_counting_lag_records{topic="checks",partition="0"} 10',
    'vedette_processor_last_flush_seconds 0.02',
  ]) {
    t.ok(lines.includes(line), line);
  }
  t.ok(lines.some((line) => line.startsWith('process_cpu_seconds_total')));
  const names = lines.filter((line) => line.startsWith('# TYPE')).map((line) => line.split(' ')[2]);
  t.same(names, [...new Set(names)], 'each metric is declared once');
  for (const options of [{ perJobMetrics: false }, { maxMetricSeries: 2 }]) {
    const fewer = await scrape(options);
    t.notOk(
      fewer.some((line) => line.startsWith('vedette_job_')),
      JSON.stringify(options),
    );
    t.ok(fewer.includes('vedette_results_total{outcome="up"} 10'));
  }
});

test('Prometheus gets the numbers of the process while the database is away; scrapes share one reading', async (t) => {
  const clock = createFakeClock();
  let asked = 0;
  const app = await createTestServer(t, {
    ...{ clock, scheduler, options: { metricsCacheMs: 5_000 } },
    liveInstances: async () => {
      asked++;
      return [];
    },
  });
  for (let i = 0; i < 3; i++) {
    const { body } = await app.inject('/metrics');
    t.match(body, /vedette_database_up 0/);
    t.match(body, /vedette_scheduler_running_jobs 5/);
  }
  t.equal(asked, 1);
  await clock.advance(5_000);
  await app.inject('/metrics');
  t.equal(asked, 2);
});

test('POST /db/init migrates; it resets only with the name, and where it may', async (t) => {
  const calls: string[] = [];
  const databaseAdmin = {
    migrate: async () => {
      calls.push('migrate');
      return ['0001-initial'];
    },
    reset: async () => {
      calls.push('reset');
      return ['0001-initial'];
    },
  };
  const app = await createTestServer(t, { databaseAdmin, options: { allowReset: true } });
  const post = async (payload?: object) =>
    (await app.inject({ method: 'POST', url: '/db/init', ...(payload ? { payload } : {}) })).json();
  t.same(await post(), { database: 'vedette', schema: 'public', reset: false, applied: ['0001-initial'] });
  t.match(await post({}), { reset: false });
  t.match(await post({ reset: true }), {
    code: 'VED_RESET_UNCONFIRMED',
    message: 'confirm: given nothing, accepted: the name of the database',
  });
  t.match(await post({ reset: true, confirm: 'Vedette' }), { code: 'VED_RESET_UNCONFIRMED' });
  t.match(await post({ confirm: 'vedette' }), { code: 'VED_VALIDATION' });
  t.match(await post({ reset: 'true', confirm: 'vedette' }), {
    code: 'VED_VALIDATION',
    message: /reset: given "true", accepted: boolean/,
  });
  t.match(await post({ drop: true }), {
    code: 'VED_VALIDATION',
    message: /drop: given true, accepted: only the keys reset, confirm/,
  });
  t.same(calls, ['migrate', 'migrate']);
  t.match(await post({ reset: true, confirm: 'vedette' }), { reset: true, applied: ['0001-initial'] });
  t.same(calls, ['migrate', 'migrate', 'reset']);
});

test('without tables everything answers, and POST /db/init makes them', async (t) => {
  const database = await createTestDatabase(t, { migrated: false });
  const app = await createTestServer(t, {
    database,
    jobStore: createJobStore({ database, clock: systemClock, toJob, redact: (given) => given }),
    databaseAdmin: { migrate: () => migrate(database), reset: () => reset(database) },
    liveInstances: async () => (await database.query<LiveInstance>('SELECT FROM instances')).rows,
    options: { allowReset: true },
  });
  for (const url of ['/job', '/job/1', '/job/1/metrics', '/job/1/results', '/dead-letters', '/instances']) {
    const answer = await app.inject(url);
    t.match(answer.json(), { statusCode: 503, code: 'VED_DATABASE_UNAVAILABLE', message: /POST \/db\/init/ }, url);
  }
  t.equal((await app.inject('/')).json().status, 'degraded');
  t.match((await app.inject('/metrics')).body, /vedette_database_up 0/);
  const page = await app.inject({ url: '/', headers: { accept: 'text/html' } });
  t.equal(page.statusCode, 503);
  t.match(page.body, /The tables are missing or too old: POST \/db\/init makes them/);

  const made = await app.inject({ method: 'POST', url: '/db/init' });
  t.equal(made.statusCode, 200, made.body);
  t.ok(made.json().applied.length >= 2);
  t.same((await app.inject({ method: 'POST', url: '/db/init' })).json().applied, [], 'nothing is left to do');
  t.same((await app.inject('/job')).json(), []);
  await app.inject({ method: 'POST', url: '/job', payload: { uri: 'http://127.0.0.1/' } });
  const payload = { reset: true, confirm: database.databaseName };
  t.equal((await app.inject({ method: 'POST', url: '/db/init', payload })).statusCode, 200);
  t.same((await app.inject('/job')).json(), [], 'and the job is gone');
});
