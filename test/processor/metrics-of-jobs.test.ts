import fc from 'fast-check';
import { type Test, test } from 'tap';
import { type MetricSetting, planMetrics } from '../../src/aggregates/metrics-plan.ts';
import { JobSelections, MetricSelector } from '../../src/aggregates/selection.ts';
import type { CheckResult } from '../../src/messages/check-result.ts';
import { encodeResult } from '../../src/messages/encode.ts';
import { JobMetrics, type MetricJob } from '../../src/processor/counting/job-metrics.ts';
import { backfill } from '../../src/processor/verify/backfill.ts';
import { verify } from '../../src/processor/verify/index.ts';
import { rebuild } from '../../src/processor/verify/rebuild.ts';
import { createRig, type Rig } from './rig.ts';
import { START_MS } from './streams.ts';

const MINUTE_MS = 60_000;
const RANGE = { fromMs: START_MS, toMs: START_MS + 180 * MINUTE_MS, nowMs: START_MS + 180 * MINUTE_MS };
const DAYS_LEFT = [{ function: 'max', field: 'values.days_left' }];
const settings: MetricSetting[] = [
  { granularity: '5m', aggregates: [{ function: 'count', field: 'result' }] },
  { granularity: 'hour', aggregates: [{ function: 'avg', field: 'bytes' }] },
  { granularity: 'hour', aggregates: DAYS_LEFT, types: ['tls'] },
  { granularity: '5m', aggregates: [{ function: 'sum', field: 'timings.ttfb' }], tags: ['slow'] },
];
const plans = planMetrics(settings);
const OWN = [{ granularity: 'hour', aggregates: [{ function: 'last', field: 'values.days_left' }] }];

const result = (minute: number, jobId: number, more: Partial<CheckResult> = {}): string => {
  const slot = START_MS + minute * MINUTE_MS;
  const place = { jobId, location: 'default', epoch: 1, slot, ts: slot };
  const found = { outcome: 'up', status: '200', responseTime: 0.1, bytes: minute, timings: { ttfb: 0.01 } } as const;
  return encodeResult({ ...place, ...found, values: { days_left: minute }, ...more });
};

/** Jobs that may be changed at any time, and are read when a test says so. */
class Jobs {
  readonly all = new Map<number, MetricJob>();
  #revision = 0;
  #onChange = () => {};

  set(jobId: number, job: Partial<MetricJob>): void {
    this.all.set(jobId, { jobId, type: 'http', tags: [], metrics: [], ...job });
    this.#revision++;
  }

  metrics(): JobMetrics {
    return new JobMetrics(plans, settings, {
      read: async (ids) => ids.flatMap((id) => this.all.get(id) ?? []),
      changedSince: async () => ({ revision: this.#revision, jobs: [...this.all.values()] }),
      watch: async (onChange) => {
        this.#onChange = onChange;
        return async () => {};
      },
    });
  }

  /** What was changed is known from now on. */
  async tell(metrics: JobMetrics): Promise<void> {
    this.#onChange();
    await metrics.read([0]);
  }

  selections(): JobSelections {
    const selections = new JobSelections(new MetricSelector(plans, settings));
    for (const job of this.all.values()) selections.set(job.jobId, job);
    return selections;
  }
}

async function extras({ database }: Rig, granularity = 'hour'): Promise<Array<[number, number, object]>> {
  const { rows } = await database.query<{ job: number; at: number; extra: object }>(
    `SELECT job_id AS job, (extract(epoch FROM dt) * 1000)::bigint AS at, extra FROM metrics
     WHERE granularity = $1 ORDER BY job_id, dt`,
    [granularity],
  );
  return rows.map(({ job, at, extra }) => [job, (at - START_MS) / MINUTE_MS, extra]);
}

const options = ({ database, driver }: Rig) => ({ database, driver, topics: ['checks'], plans, ...RANGE });

async function isEqual(t: Test, rig: Rig, what: string): Promise<void> {
  const report = await verify(options(rig));
  t.match(report, { ok: true, differenceCount: 0, rowDifferenceCount: 0 }, what);
  t.strictSame(report.differences, [], what);
}

test('metrics by type, by tag and of a job are counted for these jobs only', async (t) => {
  const rig = await createRig(t);
  const jobs = new Jobs();
  jobs.set(1, { type: 'tls' });
  jobs.set(2, { tags: ['slow', 'x'] });
  jobs.set(3, { metrics: OWN });
  const jobMetrics = jobs.metrics();
  await jobMetrics.follow();
  await rig.start({ plans, jobMetrics });
  for (const jobId of [1, 2, 3, 4])
    for (const minute of [0, 1, 2]) rig.driver.append('checks', 0, result(minute, jobId));
  await rig.settle();
  const avg = { avg_bytes: { sum: 3, count: 3 } };
  const last = { value: 2_000_000, at: START_MS + 2 * MINUTE_MS, epoch: 1, offset: -1, line: -1 };
  t.strictSame(await extras(rig), [
    [1, 0, { ...avg, 'max_values.days_left': 2_000_000 }],
    [2, 0, avg],
    [3, 0, { ...avg, 'last_values.days_left': last }],
    [4, 0, avg],
  ]);
  t.strictSame(await extras(rig, '5m'), [
    [1, 0, {}],
    [2, 0, { 'sum_timings.ttfb': 30_000 }],
    [3, 0, {}],
    [4, 0, {}],
  ]);
  await isEqual(t, rig, 'verify counts them, too');
  await rig.database.query(`UPDATE metrics SET extra = extra || '{"max_values.days_left": 5}' WHERE job_id = 1`);
  t.equal((await verify(options(rig))).ok, false, 'verify sees a wrong value');
});

test('a metric that begins or ends within a bucket is not in its row; verify and rebuild agree all the while', async (t) => {
  const rig = await createRig(t);
  const jobs = new Jobs();
  const jobMetrics = jobs.metrics();
  await jobMetrics.follow();
  const processor = await rig.start({ plans, jobMetrics });
  const append = async (from: number, to: number) => {
    for (let minute = from; minute < to; minute++) rig.driver.append('checks', 0, result(minute, 1));
    await rig.settle();
    await processor.flush();
  };
  const keys = async () => (await extras(rig)).map(([, minute, extra]) => [minute, Object.keys(extra).sort().join()]);
  jobs.set(1, {});
  await append(0, 10);
  jobs.set(1, { metrics: OWN });
  await jobs.tell(jobMetrics);
  await append(10, 20);
  t.strictSame(await keys(), [[0, 'avg_bytes']], 'the hour was begun without it');
  await append(60, 70);
  t.strictSame((await keys())[1], [60, 'avg_bytes,last_values.days_left']);
  jobs.set(1, { type: 'tls', metrics: OWN });
  await jobs.tell(jobMetrics);
  await append(70, 80);
  t.strictSame((await keys())[1], [60, 'avg_bytes,last_values.days_left'], 'what was there from the start goes on');
  await append(120, 125);
  t.strictSame((await keys())[2], [120, 'avg_bytes,last_values.days_left,max_values.days_left']);
  jobs.set(1, { type: 'tls' });
  await jobs.tell(jobMetrics);
  await append(125, 130);
  t.strictSame((await keys())[2], [120, 'avg_bytes,max_values.days_left'], 'what has ended is no part of a number');
  await isEqual(t, rig, 'after all these changes');
  const { changes } = await rebuild({ ...options(rig), selections: jobs.selections() }, () => {});
  t.strictSame(changes, [], 'there is nothing to rebuild');
});

test('a row says that it has a metric before there is a value', async (t) => {
  const rig = await createRig(t);
  const jobs = new Jobs();
  jobs.set(1, { type: 'tls' });
  const processor = await rig.start({ plans, jobMetrics: jobs.metrics() });
  rig.driver.append('checks', 0, result(0, 1, { values: { other: 1 } }));
  await rig.settle();
  await processor.flush();
  t.match(await extras(rig), [[1, 0, { 'max_values.days_left': null }]]);
  rig.driver.append('checks', 0, result(1, 1));
  await rig.settle();
  t.match(await extras(rig), [[1, 0, { 'max_values.days_left': 1_000_000 }]]);
  await isEqual(t, rig, 'with a value that came late');
});

test('a job that is new has its metrics from its first result on', async (t) => {
  const rig = await createRig(t);
  const jobs = new Jobs();
  const jobMetrics = jobs.metrics();
  await jobMetrics.follow();
  await rig.start({ plans, jobMetrics });
  rig.driver.append('checks', 0, result(0, 1));
  await rig.settle();
  // Nobody tells: it is read before its first result is counted.
  jobs.set(2, { type: 'tls' });
  rig.driver.append('checks', 0, result(0, 2));
  await rig.settle();
  t.match(await extras(rig), [
    [1, 0, { avg_bytes: {} }],
    [2, 0, { 'max_values.days_left': 0 }],
  ]);
});

test('rows that are missing are rebuilt, and rows that lack a metric are filled, while results are counted', async (t) => {
  const rig = await createRig(t);
  const jobs = new Jobs();
  jobs.set(1, {});
  jobs.set(2, { type: 'tls' });
  const jobMetrics = jobs.metrics();
  await jobMetrics.follow();
  const processor = await rig.start({ plans, jobMetrics });
  const append = async (from: number, to: number) => {
    for (let minute = from; minute < to; minute++)
      for (const jobId of [1, 2, 3]) rig.driver.append('checks', 0, result(minute, jobId));
    await rig.settle();
    await processor.flush();
  };
  await append(0, 10);
  jobs.set(1, { metrics: OWN });
  await jobs.tell(jobMetrics);
  await append(10, 20);
  const [before] = [await extras(rig)];
  await rig.database.query('DELETE FROM metrics WHERE job_id = 2');
  const wanted = { ...options(rig), selections: jobs.selections() };
  t.match(await rebuild(wanted, () => {}), { written: true, refusals: [] });
  t.strictSame(await extras(rig), before, 'with the metric of its type');
  const filled = await backfill({ ...wanted, metric: 'last_values.days_left' }, ({ changes }) => {
    t.strictSame(
      changes.map(({ expected }) => [expected!.jobId, expected!.granularity]),
      [[1, 'hour']],
    );
  });
  t.match(filled, { written: true, refusals: [], leftAlone: 0 });
  await append(20, 25);
  const [[, , extra]] = await extras(rig);
  t.match(extra, { 'last_values.days_left': { value: 24_000_000 } }, 'counted on from there');
  await isEqual(t, rig, 'after rebuild and backfill');
});

test('processors that know of changes at different times agree with verify', async (t) => {
  const rig = await createRig(t);
  const jobs = new Jobs();
  const selections: Array<Partial<MetricJob>> = [
    {},
    { type: 'tls' },
    { metrics: OWN },
    { tags: ['slow'], metrics: OWN },
  ];
  for (const jobId of [1, 2]) jobs.set(jobId, {});
  let minute = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          // Of two processors that count in turn.
          knows: fc.boolean(),
          job: fc.constantFrom(1, 2),
          selection: fc.constantFrom(...selections),
          results: fc.integer({ min: 1, max: 4 }),
        }),
        { minLength: 1, maxLength: 3 },
      ),
      async (steps) => {
        for (const { knows, job, selection, results } of steps) {
          const old = jobs.metrics();
          await old.read([1, 2]);
          jobs.set(job, selection);
          const processor = await rig.start({ plans, jobMetrics: knows ? jobs.metrics() : frozen(old) });
          for (let n = 0; n < results; n++, minute += 13)
            for (const jobId of [1, 2]) rig.driver.append('checks', 0, result(minute, jobId));
          await rig.settle();
          await processor.stop();
        }
      },
    ),
    { numRuns: 15 },
  );
  const kept = (await extras(rig)).flatMap(([, , extra]) => Object.keys(extra));
  t.ok(new Set(kept).size > 1, kept.join());
  const toMs = START_MS + (minute + 60) * MINUTE_MS;
  t.match(await verify({ ...options(rig), toMs, nowMs: toMs }), { ok: true, differenceCount: 0 });
});

/** What was known once. */
function frozen(metrics: JobMetrics): JobMetrics {
  metrics.read = async () => {};
  return metrics;
}
