import { test } from 'tap';
import { bucketStart, parseGranularity } from '../../src/aggregates/granularity.ts';
import { aggregates } from '../../src/aggregates/index.ts';
import { BUILT_IN_METRICS, checkMetrics, planMetrics } from '../../src/aggregates/metrics-plan.ts';

test('granularities have one name whatever they are written as', async (t) => {
  const names: Array<[string, string, number]> = [
    ['minute', 'minute', 60_000],
    ['60s', 'minute', 60_000],
    ['1m', 'minute', 60_000],
    ['60m', 'hour', 3_600_000],
    ['hour', 'hour', 3_600_000],
    ['24h', 'day', 86_400_000],
    ['1d', 'day', 86_400_000],
    ['5m', '5m', 300_000],
    ['300s', '5m', 300_000],
    ['90s', '90s', 90_000],
    ['7d', '7d', 604_800_000],
  ];
  for (const [text, name, durationMs] of names) t.strictSame(parseGranularity(text), { name, durationMs });
  for (const text of ['', '0s', '5', '5x', '-1m', '1.5h', '367d', '999999999d', 'Minute', '05m', 'constructor']) {
    t.throws(() => parseGranularity(text), { message: /^granularity: given .*, accepted: minute/ }, text);
  }
});

test('buckets begin at whole multiples since the epoch', async (t) => {
  t.equal(bucketStart(Date.UTC(2026, 1, 1, 5, 59, 59, 999), 3_600_000), Date.UTC(2026, 1, 1, 5));
  t.equal(bucketStart(Date.UTC(2026, 1, 1, 6), 3_600_000), Date.UTC(2026, 1, 1, 6));
  t.equal(bucketStart(Date.UTC(2024, 1, 29, 23), 86_400_000), Date.UTC(2024, 1, 29));
});

test('the built-in set is everything with a column, for minute, hour and day', async (t) => {
  const plans = planMetrics();
  t.strictSame(
    plans.map((plan) => plan.name),
    ['minute', 'hour', 'day'],
  );
  for (const plan of plans) {
    const optional = ['data', 'reasons', 'rt_count', 'rt_hist', 'rt_max', 'rt_min', 'rt_sum'];
    const kept = ['count', 'up', 'degraded', 'down', 'missed'];
    kept.push('maintenance_up', 'maintenance_degraded', 'maintenance_down');
    t.strictSame([...plan.columns].sort(), [...kept, ...optional].sort());
    t.strictSame(plan.extras, []);
  }
  t.strictSame(checkMetrics(BUILT_IN_METRICS), []);
  t.strictSame(aggregates.names(), [
    'min',
    'max',
    'sum',
    'count',
    'outcomes',
    'maintenance',
    'counters',
    'reasons',
    'histogram',
    'avg',
    'last',
  ]);
});

test('every problem of the setting is reported with its path', async (t) => {
  const problems = checkMetrics([
    { granularity: 'fortnight', aggregates: [{ function: 'median', field: 'response_time' }] },
    { granularity: '60m', aggregates: [{ function: 'min', field: 'status' }] },
    { granularity: 'hour', aggregates: [] },
  ]);
  t.strictSame(
    problems.map(({ path, given }) => [path, given]),
    [
      ['[0].granularity', 'fortnight'],
      ['[0].aggregates[0].function', 'median'],
      ['[1].aggregates[0].field', 'status'],
      ['[2].granularity', 'hour'],
    ],
  );
  t.equal(
    problems[2].accepted,
    `one of response_time, timings.{dns,connect,tls,tls_resumed,ttfb,transfer}, bytes, values.*`,
  );
  const fields = [
    'timings.ttfb',
    'timings.x',
    'timings.',
    'values.a_1',
    'values.A',
    'values.',
    'values.*',
    'timings.*',
  ];
  const refused = checkMetrics([
    { granularity: 'hour', aggregates: fields.map((field) => ({ function: 'avg', field })) },
  ]).map(({ given }) => given);
  t.strictSame(
    refused,
    fields.filter((field) => field !== 'timings.ttfb' && field !== 'values.a_1'),
  );
  t.throws(() => planMetrics([{ granularity: 'x', aggregates: [] }]), RangeError);
});
