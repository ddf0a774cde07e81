import { test } from 'tap';
import { planMetrics } from '../../src/aggregates/metrics-plan.ts';
import type { CheckResult } from '../../src/messages/check-result.ts';
import { encodeResult } from '../../src/messages/encode.ts';
import { backfill, planBackfill } from '../../src/processor/verify/backfill.ts';
import { verify } from '../../src/processor/verify/index.ts';
import { createReadModel } from '../../src/stats/index.ts';
import { createRig, type Rig } from './rig.ts';
import { START_MS } from './streams.ts';

const MINUTE_MS = 60_000;
const FUNCTIONS = ['min', 'max', 'avg', 'sum', 'count', 'last', 'histogram'];
const metrics = [
  { granularity: '5m', aggregates: [{ function: 'avg', field: 'timings.ttfb' }] },
  {
    granularity: 'hour',
    aggregates: ['values.days_left', 'values.absent', 'bytes', 'timings.dns'].flatMap((field) =>
      FUNCTIONS.map((name) => ({ function: name, field })),
    ),
  },
];
const plans = planMetrics(metrics);

const result = (minute: number, more: Partial<CheckResult>): string =>
  encodeResult({
    ...{
      jobId: 1,
      location: 'default',
      epoch: 1,
      slot: START_MS + minute * MINUTE_MS,
      ts: START_MS + minute * MINUTE_MS,
    },
    ...{ outcome: 'up', status: '200', responseTime: 0.1, ...more },
  });

const foreign = (seconds: number, days: number): string =>
  JSON.stringify({
    ...{ job_id: 2, ts: START_MS + seconds * 1_000, response_time: 0.5, status: '200', values: { days_left: days } },
  });

const noCron = () => {
  throw new Error('no cron here');
};

const read = async (rig: Rig, granularity: string, bucketMs: number, jobId = 1) => {
  const range = { fromMs: START_MS, toMs: START_MS + 60 * MINUTE_MS };
  const query = { jobId, ...range, granularity, bucketMs, bucketOffsetMs: 0, limit: 100, order: 'asc' as const };
  const readModel = createReadModel({ database: rig.database, cronSlots: noCron });
  const { buckets } = await readModel.buckets({ ...query, percentiles: [50, 100], nowMs: range.toMs });
  return buckets.map(({ extra }) => extra);
};

const check = ({ database, driver }: Rig) =>
  verify({
    ...{ database, driver, topics: ['checks'], plans, nowMs: START_MS + 60 * MINUTE_MS },
    ...{ fromMs: START_MS, toMs: START_MS + 60 * MINUTE_MS },
  });

test('any numeric field is counted by any function: in the database, for people, and for verify', async (t) => {
  const rig = await createRig(t);
  for (let minute = 0; minute < 20; minute++) {
    const timings = minute % 2 === 0 ? { dns: 0.001, ttfb: 0.01 * minute } : {};
    const values: Record<string, number> = minute % 4 === 0 ? { days_left: 10 - minute, other: 5 } : { other: 1 };
    const outcome = minute === 19 ? { outcome: 'missed' as const, status: null, responseTime: null } : { values };
    rig.driver.append('checks', 0, result(minute, { timings, bytes: minute, ...outcome }));
  }
  await rig.start({ plans, flushIntervalMs: 1 });
  await rig.settle();
  const { rows } = await rig.database.query(
    `SELECT dt, extra FROM metrics WHERE granularity = '5m' AND job_id = 1 ORDER BY dt`,
  );
  t.strictSame(
    rows,
    [
      [0, 60_000, 3],
      [5, 140_000, 2],
      [10, 360_000, 3],
      [15, 340_000, 2],
    ].map(([minute, sum, count]) => ({
      dt: new Date(START_MS + minute * MINUTE_MS),
      extra: { 'avg_timings.ttfb': { sum, count } },
    })),
  );
  t.strictSame(
    (await read(rig, '5m', 5 * MINUTE_MS)).map((extra) => extra['avg_timings.ttfb']),
    [0.02, 0.07, 0.12, 0.17],
  );
  t.strictSame(await read(rig, '5m', 10 * MINUTE_MS), [{ 'avg_timings.ttfb': 0.04 }, { 'avg_timings.ttfb': 0.14 }]);
  const [hour] = await read(rig, 'hour', 60 * MINUTE_MS);
  t.match(hour, {
    ...{
      'min_values.days_left': -6,
      'max_values.days_left': 10,
      'avg_values.days_left': 2,
      'sum_values.days_left': 10,
    },
    ...{ 'count_values.days_left': 5, 'last_values.days_left': -6 },
    ...{ min_bytes: 0, max_bytes: 19, sum_bytes: 190, count_bytes: 20, last_bytes: 19 },
    ...{ 'avg_timings.dns': 0.001, 'count_timings.dns': 10, 'last_timings.dns': 0.001 },
    ...{ 'sum_values.absent': 0, 'count_values.absent': 0 },
  });
  for (const name of ['min', 'max', 'avg', 'last']) t.notOk(`${name}_values.absent` in hour!, name);
  const { 50: median, 100: greatest } = hour!['histogram_values.days_left'] as Record<string, number>;
  t.ok(Math.abs(median! - 2) < 0.02 && Math.abs(greatest! - 10) < 0.1, JSON.stringify([median, greatest]));
  t.match(await check(rig), { ok: true, differenceCount: 0 });

  for (const key of Object.keys(hour!)) {
    const { rows: saved } = await rig.database.query('SELECT extra FROM metrics WHERE granularity = $1', ['hour']);
    await rig.database.query(`UPDATE metrics SET extra = extra - $1::text WHERE granularity = 'hour'`, [key]);
    t.equal((await check(rig)).ok, false, `verify sees that ${key} is gone`);
    await rig.database.query(`UPDATE metrics SET extra = $1 WHERE granularity = 'hour'`, [saved[0].extra]);
  }
});

test('the last value is that of the highest slot, of foreign lines that of the highest ts and offset', async (t) => {
  const rig = await createRig(t);
  rig.driver.append(
    'checks',
    0,
    foreign(20, 1),
    [foreign(30, 2), foreign(30, 3)].join('\n'),
    foreign(30, -4),
    foreign(10, 5),
  );
  rig.driver.append('checks', 0, result(3, { values: { days_left: 8 } }), result(4, { values: {} }));
  await rig.start({ plans, flushIntervalMs: 1 });
  await rig.settle();
  t.match(await read(rig, 'hour', 60 * MINUTE_MS, 2), [{ 'last_values.days_left': -4 }]);
  t.match(await read(rig, 'hour', 60 * MINUTE_MS), [{ 'last_values.days_left': 8 }]);
  t.match(await check(rig), { ok: true, differenceCount: 0 });
});

const without = planMetrics([{ granularity: 'hour', aggregates: [{ function: 'max', field: 'response_time' }] }]);
const withMetric = planMetrics([
  { granularity: '5m', aggregates: [{ function: 'avg', field: 'values.days_left' }] },
  {
    granularity: 'hour',
    aggregates: [
      { function: 'max', field: 'response_time' },
      { function: 'avg', field: 'values.days_left' },
      { function: 'last', field: 'values.days_left' },
    ],
  },
]);

test('a new metric is filled in from the stream while results are being counted, and nothing else changes', async (t) => {
  const rig = await createRig(t);
  const append = (from: number, to: number) => {
    for (let minute = from; minute < to; minute++)
      rig.driver.append('checks', 0, result(minute, { values: { days_left: minute } }));
  };
  append(0, 20);
  const old = await rig.start({ plans: without, flushIntervalMs: 1 });
  await rig.settle();
  await old.stop();
  await rig.start({ plans: withMetric, flushIntervalMs: 1 });
  append(20, 30);
  await rig.settle();
  const options = {
    ...{ database: rig.database, driver: rig.driver, topics: ['checks'], nowMs: START_MS + 60 * MINUTE_MS },
    ...{ fromMs: START_MS, toMs: START_MS + 60 * MINUTE_MS, plans: withMetric, metric: 'avg_values.days_left' },
  };
  // A row that differs in something else is not this command's to mend. Its writes are counted, as by every change of a row:
  // otherwise a processor that remembers it writes what it knows.
  await rig.database.query('UPDATE metrics SET up = up + 1, writes = writes + 1');
  const plan = await planBackfill(options);
  t.match(plan, { refusals: [], leftAlone: 0 });
  t.equal(plan.changes.length, 5, 'an hour is filled, four buckets of five minutes are made');
  const seen: number[] = [];
  const progress: number[] = [];
  const done = await backfill(
    { ...options, onProgress: ({ records }) => void progress.push(records) },
    ({ changes }) => {
      seen.push(changes.length);
      // Counted between the plan and the writing: the row has moved on.
      append(30, 40);
    },
  );
  t.match(done, { written: true, refusals: [] });
  t.strictSame(seen, [5]);
  t.ok(progress.at(-1)! >= 30);
  await rig.settle();
  const { rows } = await rig.database.query(`SELECT up, extra FROM metrics WHERE granularity = 'hour' AND job_id = 1`);
  t.match(rows, [{ up: 41, extra: { 'avg_values.days_left': { sum: 780_000_000, count: 40 } } }]);
  t.strictSame(
    (await read(rig, '5m', 5 * MINUTE_MS)).map((extra) => extra['avg_values.days_left']),
    [2, 7, 12, 17, 22, 27, 32, 37],
  );
  t.equal((await planBackfill(options)).changes.length, 0);
  const report = await verify(options);
  t.strictSame(
    report.differences.map(({ column }) => column).filter((column) => column !== 'up'),
    [],
    'last of the highest slot was counted since the restart',
  );
});

test('of a time that the stream no longer has nothing is filled in, and it is said', async (t) => {
  const rig = await createRig(t);
  for (let minute = 0; minute < 20; minute++)
    rig.driver.append('checks', 0, result(minute, { values: { days_left: minute } }));
  const old = await rig.start({ plans: without, flushIntervalMs: 1 });
  await rig.settle();
  await old.stop();
  const cut = { ...rig.driver, ranges: async () => [{ partition: 0, low: 5, high: 20 }] };
  const plan = await planBackfill({
    ...{ database: rig.database, driver: cut, topics: ['checks'], nowMs: START_MS + 60 * MINUTE_MS },
    ...{ fromMs: START_MS, toMs: START_MS + 60 * MINUTE_MS, plans: withMetric, metric: 'avg_values.days_left' },
  });
  t.equal(plan.report.removedUntilMs !== null, true);
  t.strictSame(plan.refusals, []);
  t.notOk(
    plan.changes.some(({ expected }) => expected!.granularity === 'hour'),
    'a part of the hour is gone',
  );
});
