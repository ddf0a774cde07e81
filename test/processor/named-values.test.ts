import { test } from 'tap';
import { planMetrics } from '../../src/aggregates/metrics-plan.ts';
import { encodeResult } from '../../src/messages/encode.ts';
import { verify } from '../../src/processor/verify/index.ts';
import { rebuild } from '../../src/processor/verify/rebuild.ts';
import { createRig, type Rig } from './rig.ts';
import { START_MS } from './streams.ts';

const RANGE = { fromMs: START_MS, toMs: START_MS + 3_600_000, nowMs: START_MS + 3_600_000 };
const plans = planMetrics([
  {
    granularity: 'hour',
    aggregates: ['values.n1', 'values.n63', 'values.n64', 'values.n90', 'values.other'].map((field) => ({
      ...{ function: 'count', field },
    })),
  },
]);

const result = (second: number, names: readonly string[], jobId = 1): string => {
  const slot = START_MS + second * 1_000;
  return encodeResult({
    ...{ jobId, location: 'default', epoch: 1, slot, ts: slot, outcome: 'up', status: '200', responseTime: 0.1 },
    values: Object.fromEntries(names.map((name) => [name, second])),
  });
};

async function stored({ database }: Rig) {
  const { rows } = await database.query<{ names: number; extra: Record<string, number> }>(
    `SELECT jsonb_array_length(value_names) AS names, extra FROM series_progress JOIN metrics USING (job_id)
     WHERE granularity = 'hour' ORDER BY job_id`,
  );
  return rows;
}

const options = ({ database, driver }: Rig) => ({ database, driver, topics: ['checks'], plans, ...RANGE });

test('endless names of values are 64 and the others, the same after a restart and after another reading', async (t) => {
  const rig = await createRig(t);
  const first = await rig.start({ plans, resultsStore: 'all' });
  for (let second = 0; second < 50; second++)
    rig.driver.append('checks', 0, result(second, [`n${2 * second}`, `n${2 * second + 1}`]));
  rig.driver.append('checks', 0, result(0, ['n90'], 2));
  await rig.settle();
  const once = { 'count_values.n1': 1, 'count_values.n63': 1, 'count_values.n64': 0, 'count_values.n90': 0 };
  // Of two in one result one counts.
  t.match(await stored(rig), [
    { names: 64, extra: { ...once, 'count_values.other': 18 } },
    { names: 1, extra: { 'count_values.n90': 1, 'count_values.other': 0 } },
  ]);
  await first.stop();
  await rig.start({ plans, resultsStore: 'all' });
  rig.driver.append('checks', 0, result(60, ['n90', 'n1']), result(61, ['n63']));
  rig.driver.append('checks', 0, result(60, ['n1'], 2));
  await rig.settle();
  t.match(await stored(rig), [
    {
      names: 64,
      extra: { ...once, 'count_values.n1': 2, 'count_values.n63': 2, 'count_values.other': 19 },
    },
    { names: 2, extra: { 'count_values.n1': 1, 'count_values.n90': 1 } },
  ]);
  const { rows } = await rig.database.query('SELECT "values" FROM results WHERE "values" ? $1 AND job_id = 1', ['n98']);
  t.match(rows, [{ values: { n98: 49, n99: 49 } }], 'a raw result says what it was');
  t.match(await verify(options(rig)), { ok: true, differenceCount: 0, rowDifferenceCount: 0 });

  await rig.database.query(`UPDATE metrics SET extra = '{}', writes = writes + 1`);
  t.match(await rebuild(options(rig), () => {}), { written: true });
  t.match(await verify(options(rig)), { ok: true, differenceCount: 0 });

  await rig.database.query(`UPDATE series_progress SET value_names = value_names - 0 WHERE job_id = 2`);
  t.match(await verify(options(rig)), { ok: false, rowDifferences: [{ column: 'value_names' }] });
});

test('names of one series in two partitions, and of results with a status each, do not get lost', async (t) => {
  const rig = await createRig(t, { checks: 2 });
  await rig.start({ plans });
  const foreign = (second: number, name: string) =>
    JSON.stringify({
      ...{ job_id: 9, ts: START_MS + second * 1_000, status: null, response_time: null, outcome: 'up' },
      values: { [name]: 1 },
    });
  for (let n = 0; n < 20; n++) {
    rig.driver.append('checks', 0, foreign(n, `a${n}`));
    rig.driver.append('checks', 1, foreign(n, `b${n}`));
  }
  await rig.settle();
  const { rows } = await rig.database.query(
    'SELECT count, jsonb_array_length(value_names) AS names FROM series_progress WHERE job_id = 9',
  );
  t.match(rows, [{ count: 40, names: 40 }]);
});
