import { test } from 'tap';
import { planMetrics } from '../../src/aggregates/metrics-plan.ts';
import { verify } from '../../src/processor/verify/index.ts';
import { createReadModel, uptimeOf } from '../../src/stats/index.ts';
import { readJobStates } from '../../src/stats/queries/states.ts';
import { createRig, type Rig } from './rig.ts';
import { foreignLine, line, START_MS } from './streams.ts';

const HOUR_MS = 3_600_000;
const RANGE = { fromMs: START_MS, toMs: START_MS + HOUR_MS, nowMs: START_MS + HOUR_MS };
const plans = planMetrics([
  { granularity: 'minute', aggregates: [{ function: 'max', field: 'timings.ttfb' }] },
  {
    granularity: 'hour',
    aggregates: [
      { function: 'max', field: 'values.loss' },
      { function: 'sum', field: 'bytes' },
    ],
  },
]);

const more = (second: number, fields: object): string =>
  JSON.stringify({ ...(JSON.parse(foreignLine(7, second * 1_000)) as object), ...fields });

const check = ({ database, driver }: Rig) =>
  verify({
    ...{ database, driver, topics: ['checks'], plans, ...RANGE },
    results: { store: 'all', keptFromMs: START_MS },
  });

test('results of other producers count with the outcome that they give, and with all that they measured', async (t) => {
  const rig = await createRig(t);
  rig.driver.append(
    'checks',
    0,
    more(0, { v: 1, outcome: 'up', status: null, response_time: 0.25, timings: { ttfb: 0.2 }, bytes: 10 }),
    more(1, { outcome: 'degraded', reason: 'latency', status: '503', values: { loss: 0.5 } }),
    more(2, { outcome: 'down', reason: 'body', status: '200', detail: 'no "ok"', bytes: 5 }),
    more(3, { outcome: 'missed', status: null, response_time: null }),
    more(4, { outcome: 'fine' }),
    foreignLine(7, 5_000),
    foreignLine(7, 6_000, '404'),
  );
  await rig.start({ plans, resultsStore: 'all' });
  await rig.settle();
  const { rows: results } = await rig.database.query(
    'SELECT outcome, reason, status, rt, timings, bytes, detail, "values" FROM results ORDER BY at',
  );
  t.match(results, [
    { outcome: 'up', status: null, rt: 250_000, timings: { ttfb: 0.2 }, bytes: 10 },
    { outcome: 'degraded', reason: 'latency', status: '503', values: { loss: 0.5 } },
    { outcome: 'down', reason: 'body', status: '200', detail: 'no "ok"', bytes: 5 },
    { outcome: 'missed', status: null, rt: null },
    { outcome: 'up', status: '200' },
    { outcome: 'down', reason: 'status', status: '404' },
  ]);
  const { rows: letters } = await rig.database.query('SELECT error FROM dead_letters');
  t.match(letters, [{ error: /^outcome: given "fine"/ }]);
  const { rows: metrics } = await rig.database.query(
    `SELECT up, degraded, down, missed, reasons, extra FROM metrics WHERE granularity = 'hour'`,
  );
  t.match(metrics, [
    {
      ...{ up: 2, degraded: 1, down: 2, missed: 1 },
      extra: { 'max_values.loss': 500_000, sum_bytes: 15 },
    },
  ]);
  const readModel = createReadModel({ database: rig.database, cronSlots: () => 0 });
  const query = { jobId: 7, ...RANGE, granularity: 'hour', bucketMs: HOUR_MS, bucketOffsetMs: 0, limit: 10 };
  const { buckets } = await readModel.buckets({ ...query, order: 'asc', percentiles: [] });
  t.match(buckets, [{ uptime: 3 / 5 }]);
  t.equal(uptimeOf((await readJobStates(rig.database, [7], RANGE.nowMs)).get(7)!.counts), 3 / 5, 'of all time, too');
  t.match(await check(rig), { ok: true, differenceCount: 0, rowDifferenceCount: 0 });
});

test('what an earlier version counted by the status alone stays counted so', async (t) => {
  const rig = await createRig(t);
  rig.driver.append('checks', 0, foreignLine(7, 0), foreignLine(7, 1_000, '404'));
  const processor = await rig.start({ plans, resultsStore: 'all' });
  await rig.settle();
  await processor.stop();
  // The same results with more fields, of which that version said nothing.
  const [{ records }] = rig.driver.everything();
  for (const [at, fields] of [
    { outcome: 'down', timings: { ttfb: 0.1 } },
    { detail: 'gone', bytes: 7 },
  ].entries()) {
    const value = Buffer.from(JSON.stringify({ ...JSON.parse(records[at].value.toString()), ...fields }));
    Object.assign(records[at], { value });
  }
  t.match(await check(rig), { ok: false });
  await rig.database.query('UPDATE stream_offsets SET plain_until = next_offset');
  await rig.start({ plans, resultsStore: 'all' });
  rig.driver.append('checks', 0, more(2, { outcome: 'degraded', bytes: 3 }));
  await rig.settle();
  t.match(await check(rig), { ok: true, differenceCount: 0, rowDifferenceCount: 0 });
});

test('the uptime of all time is without what came in maintenance', async (t) => {
  const rig = await createRig(t);
  const at = (slot: number, outcome: 'up' | 'degraded' | 'down', inMaintenance = false) => {
    const text = line({ slot, outcome });
    return inMaintenance ? text.replace(/\}$/, ',"maintenance":true}') : text;
  };
  rig.driver.append('checks', 0, at(0, 'up'), at(1, 'down'), at(2, 'down', true), at(3, 'up', true));
  const processor = await rig.start();
  await rig.settle();
  await processor.flush();
  rig.driver.append('checks', 0, at(4, 'degraded', true), at(5, 'degraded'), at(6, 'up'));
  await rig.settle();
  const { rows } = await rig.database.query(
    'SELECT up, degraded, down, maintenance_up, maintenance_degraded, maintenance_down FROM series_progress',
  );
  t.match(rows, [{ up: 3, degraded: 2, down: 2, maintenance_up: 1, maintenance_degraded: 1, maintenance_down: 1 }]);
  const states = await readJobStates(rig.database, [1], START_MS);
  t.equal(uptimeOf(states.get(1)!.counts), 3 / 4);
  const again = () => verify({ database: rig.database, driver: rig.driver, topics: ['checks'], ...RANGE });
  t.match(await again(), { ok: true, rowDifferenceCount: 0 });
  await rig.database.query('UPDATE series_progress SET maintenance_down = 0');
  t.match(await again(), { ok: false, rowDifferences: [{ column: 'maintenance_down', stored: 0, expected: 1 }] });
});
