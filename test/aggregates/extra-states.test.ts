import { test } from 'tap';
import { Accumulator } from '../../src/aggregates/accumulator/index.ts';
import { type MetricSetting, planMetrics } from '../../src/aggregates/metrics-plan.ts';
import { MetricSelector } from '../../src/aggregates/selection.ts';
import type { CheckResult } from '../../src/messages/check-result.ts';
import { rowsOf } from './metric-row.ts';
import { columnsOf } from './reference.ts';

const T = Date.UTC(2026, 0, 31, 12);
const sum = (field: string) => ({ function: 'sum', field });
const settings: MetricSetting[] = [
  { granularity: 'minute', aggregates: [] },
  { granularity: 'hour', aggregates: [sum('bytes')] },
  ...['a', 'b', 'c'].map((tag) => ({ granularity: 'hour', aggregates: [sum(`values.${tag}`)], tags: [tag] })),
];
const plans = planMetrics(settings);
const selector = new MetricSelector(plans, settings);
const selected = (...tags: string[]) => selector.select({ type: 'http', tags, metrics: [] });

const result = (minute: number, jobId = 1): CheckResult => ({
  ...{ jobId, location: 'default', epoch: 1, slot: T + minute * 60_000, ts: T, outcome: 'up', status: '200' },
  ...{ responseTime: 0.1, bytes: 1, values: { a: 1, b: 2, c: 3 } },
});

test('a row keeps what all of its results were counted for, also when that changes before it is taken', async (t) => {
  let selection = selected('a', 'b');
  const accumulator = new Accumulator(plans, undefined, (jobId) => (jobId === 1 ? selection : selector.base));
  const add = (...results: CheckResult[]) => {
    const columns = columnsOf(results);
    for (let row = 0; row < columns.length; row++) accumulator.add(columns, row);
  };
  const hour = () => {
    const rows = [...rowsOf(accumulator.take())].filter(({ granularity }) => granularity === 'hour');
    return rows.map(({ jobId, count, extra }) => [jobId, count, extra]);
  };
  add(result(0), result(0, 2));
  selection = selected('b', 'c');
  add(result(1), result(0));
  t.strictSame(hour(), [
    [1, 3, { sum_bytes: 3, 'sum_values.b': 6_000_000 }],
    [2, 1, { sum_bytes: 1 }],
  ]);
  add(result(2));
  selection = selector.base;
  add(result(3));
  t.strictSame(hour(), [[1, 2, { sum_bytes: 2 }]]);
  add(result(4));
  selection = selected('a');
  add(result(5));
  t.strictSame(hour(), [[1, 2, { sum_bytes: 2 }]], 'it begins with the next row');
  add(result(6), result(7));
  t.strictSame(hour(), [[1, 2, { sum_bytes: 2, 'sum_values.a': 2_000_000 }]]);
});
