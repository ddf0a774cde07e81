import assert from 'node:assert/strict';
import fc from 'fast-check';
import { test } from 'tap';
import { Accumulator } from '../../src/aggregates/accumulator/index.ts';
import type { Aggregate } from '../../src/aggregates/aggregate.ts';
import { aggregates } from '../../src/aggregates/index.ts';
import { BUILT_IN_AGGREGATES, planMetrics } from '../../src/aggregates/metrics-plan.ts';
import { Registry } from '../../src/core/registry.ts';
import type { CheckResult } from '../../src/messages/check-result.ts';
import { NO_MAINTENANCE } from '../../src/stats/outcomes.ts';
import { someResult } from './arbitraries.ts';
import { rowOf, rowsOf } from './metric-row.ts';
import { columnsOf, keyOf, mergeRows, plainRows } from './reference.ts';

const T = Date.UTC(2026, 0, 31, 23, 58, 30);

const up: CheckResult = {
  jobId: 1,
  location: 'default',
  epoch: 1,
  slot: T,
  ts: T + 3,
  outcome: 'up',
  status: '200',
  responseTime: 0.1,
};
const noResponse: CheckResult = { ...up, outcome: 'down', reason: 'timeout', status: null, responseTime: null };

function accumulate(results: readonly CheckResult[], accumulator = new Accumulator()) {
  const columns = columnsOf(results);
  for (let row = 0; row < columns.length; row++) accumulator.add(columns, row);
  return accumulator;
}

test('one result makes one row a granularity', async (t) => {
  const accumulator = accumulate([up]);
  t.equal(accumulator.size, 3);
  const [minute, hour, day] = [...rowsOf(accumulator.take())];
  const expected = {
    jobId: 1,
    location: 'default',
    count: 1,
    up: 1,
    degraded: 0,
    down: 0,
    missed: 0,
    ...NO_MAINTENANCE,
    rtCount: 1,
    rtMin: 100_000,
    rtMax: 100_000,
    rtSum: 100_000,
    data: { 200: 1 },
    reasons: {},
    rtHist: { 737: 1 },
    extra: {},
  };
  t.strictSame(minute, { ...expected, granularity: 'minute', bucketMs: Date.UTC(2026, 0, 31, 23, 58) });
  t.strictSame(hour, { ...expected, granularity: 'hour', bucketMs: Date.UTC(2026, 0, 31, 23) });
  t.strictSame(day, { ...expected, granularity: 'day', bucketMs: Date.UTC(2026, 0, 31) });
  t.equal(accumulator.size, 0);
  t.equal(accumulator.take().length, 0);
});

test('a failed check without response never touches the response times', async (t) => {
  const deltas = accumulate([noResponse, { ...up, slot: T + 1000 }, { ...noResponse, slot: T + 2000 }]).take();
  const row = rowOf(deltas, 0);
  t.match(row, { count: 3, down: 2, rtCount: 1, rtMin: 100_000, rtMax: 100_000, reasons: { timeout: 2 } });
  const alone = rowOf(accumulate([noResponse]).take(), 0);
  t.match(alone, { count: 1, rtCount: 0, rtMin: null, rtMax: null, rtSum: 0, rtHist: {}, data: {} });
});

test('a late result lands in the bucket of its slot', async (t) => {
  const deltas = accumulate([
    up,
    { ...up, slot: T + 60_000 },
    { ...up, slot: T - 86_400_000 },
    { ...up, slot: T + 1 },
  ]).take();
  const counts = new Map([...rowsOf(deltas)].map((row) => [keyOf(row), row.count]));
  t.equal(counts.get(`minute 1 default ${T - 30_000}`), 2);
  t.equal(counts.get(`minute 1 default ${T + 30_000}`), 1);
  t.equal(counts.get(`day 1 default ${Date.UTC(2026, 0, 30)}`), 1);
  t.equal(counts.get(`day 1 default ${Date.UTC(2026, 0, 31)}`), 3);
  t.equal(counts.size, 7);
});

test('a range is spread over the buckets of its slots, cut where the caller says', async (t) => {
  const range: CheckResult = {
    ...up,
    outcome: 'missed',
    reason: 'late',
    slots: 200,
    periodMs: 1000,
    status: null,
    responseTime: null,
  };
  const columns = columnsOf([
    { ...range, slot: T + 100_000 },
    { ...range, slots: 0 },
  ]);
  const accumulator = new Accumulator();
  accumulator.add(columns, 0);
  accumulator.add(columns, 1);
  const whole = mergeRows(new Map(), rowsOf(accumulator.take()));
  assert.deepEqual(whole, plainRows([{ ...range, slot: T + 100_000 }], ['minute', 'hour', 'day']));
  accumulator.addRange(columns, 0, T + 91_000, 10, 1000);
  t.match(
    [...rowsOf(accumulator.take())].filter((row) => row.granularity === 'day'),
    [{ missed: 10, reasons: { late: 10 } }],
  );
});

test('any order and any split into flushes gives the rows of the plain sum', async () => {
  const granularities = fc.constantFrom(['minute', 'hour', 'day'], ['day', '90s', '7m', '5m', '2m'], ['1s']);
  fc.assert(
    fc.property(
      fc.array(someResult, { maxLength: 60 }),
      granularities,
      fc.array(fc.nat({ max: 20 }), { minLength: 1, maxLength: 5 }),
      fc.nat(),
      (results, names, splits, seed) => {
        const plans = planMetrics(names.map((granularity) => ({ granularity, aggregates: BUILT_IN_AGGREGATES })));
        const shuffled = results.map((result, at) => [(at * 7919 + seed) % 104729, result] as const);
        const accumulator = new Accumulator(plans);
        const rows = new Map();
        shuffled.sort((a, b) => a[0] - b[0]);
        for (let at = 0, flush = 0; at < shuffled.length; flush++) {
          const size = 1 + splits[flush % splits.length];
          accumulate(
            shuffled.slice(at, at + size).map(([, result]) => result),
            accumulator,
          );
          const { size: rowsHeld } = accumulator;
          const deltas = accumulator.take();
          assert.equal(deltas.length, rowsHeld);
          mergeRows(rows, rowsOf(deltas));
          at += size;
        }
        assert.deepEqual(rows, plainRows(results, names));
      },
    ),
    { numRuns: 300 },
  );
});

test('a granularity keeps only what is configured for it', async (t) => {
  const plans = planMetrics([
    { granularity: 'minute', aggregates: [{ function: 'max', field: 'response_time' }] },
    {
      granularity: 'hour',
      aggregates: [
        { function: 'counters', field: 'status' },
        { function: 'max', field: 'bytes' },
      ],
    },
  ]);
  const [minute, hour] = [
    ...rowsOf(
      accumulate(
        [
          { ...up, bytes: 7 },
          { ...up, bytes: 5 },
        ],
        new Accumulator(plans),
      ).take(),
    ),
  ];
  t.match(minute, { up: 2, rtCount: 0, rtMin: null, rtMax: 100_000, rtSum: 0, data: {}, rtHist: {}, extra: {} });
  t.match(hour, { up: 2, rtMax: null, data: { 200: 2 }, rtHist: {}, extra: { max_bytes: 7 } });
});

test('the generic way of every built-in aggregate gives what its special way gives', async () => {
  // Under another name an aggregate has no column, so it goes the way of configured ones.
  const renamed = aggregates.all().map((aggregate) => ({ ...aggregate, name: `my_${aggregate.name}` }));
  const registry = new Registry<Aggregate>('aggregate', [...aggregates.all(), ...renamed]);
  const mine = BUILT_IN_AGGREGATES.map((metric) => ({ ...metric, function: `my_${metric.function}` }));
  const wanted = [...BUILT_IN_AGGREGATES, ...mine];
  const plans = planMetrics(
    ['minute', 'hour', 'day', '90s'].map((granularity) => ({ granularity, aggregates: wanted })),
    registry,
  );
  fc.assert(
    fc.property(fc.array(someResult, { maxLength: 40 }), (results) => {
      for (const row of rowsOf(accumulate(results, new Accumulator(plans)).take())) {
        const { up, degraded, down, missed } = row;
        const positive = Object.entries({ up, degraded, down, missed }).filter(([, times]) => times > 0);
        const filled = (counters: object) => (Object.keys(counters).length > 0 ? counters : undefined);
        assert.deepEqual(
          { my_min_response_time: undefined, my_max_response_time: undefined, ...pickUndefined, ...row.extra },
          {
            ...pickUndefined,
            my_count_result: row.count,
            my_outcomes_outcome: Object.fromEntries(positive),
            my_count_response_time: row.rtCount,
            my_min_response_time: row.rtMin ?? undefined,
            my_max_response_time: row.rtMax ?? undefined,
            my_sum_response_time: row.rtSum,
            my_counters_status: filled(row.data),
            my_reasons_reason: filled(row.reasons),
            my_histogram_response_time: filled(row.rtHist),
          },
        );
      }
    }),
    { numRuns: 200 },
  );
});

const pickUndefined = {
  my_counters_status: undefined,
  my_reasons_reason: undefined,
  my_histogram_response_time: undefined,
};

test('a new aggregate is one object in the registry', async (t) => {
  /** Counts responses slower than a second. */
  const slow: Aggregate<number> = {
    name: 'slow',
    fields: ['response_time'],
    create: () => 0,
    add: (state, columns, row) => (columns.rtMicros[row] > 1_000_000 ? state + 1 : state),
    merge: (a, b) => a + b,
    toStored: (state) => state,
    fromStored: (value) => Number(value),
  };
  const registry = new Registry<Aggregate>('aggregate', [...aggregates.all(), slow]);
  const setting = [{ granularity: 'hour', aggregates: [{ function: 'slow', field: 'response_time' }] }];
  const accumulator = new Accumulator(planMetrics(setting, registry));
  accumulate([up, { ...up, responseTime: 1.5 }, { ...up, responseTime: 2 }, noResponse], accumulator);
  t.strictSame(
    [...rowsOf(accumulator.take())].map((row) => row.extra),
    [{ slow_response_time: 2 }],
  );
});

test('a mean is stored as sum and count, whole numbers, and shown as one', async (t) => {
  const setting = [{ granularity: 'hour', aggregates: [{ function: 'avg', field: 'response_time' }] }];
  const accumulator = new Accumulator(planMetrics(setting));
  accumulate([up, { ...up, responseTime: 0.2 }, { ...up, responseTime: 0.21 }, noResponse], accumulator);
  const [row] = rowsOf(accumulator.take());
  t.strictSame(row.extra, { avg_response_time: { sum: 510_000, count: 3 } });
  const avg = aggregates.get('avg');
  t.equal(avg.toShown?.(avg.fromStored(row.extra.avg_response_time), 'response_time', []), 0.17);
  const [none] = rowsOf(accumulate([noResponse], accumulator).take());
  t.strictSame(none.extra, {});
  t.equal(avg.toShown?.(avg.create(), 'response_time', []), null);
});

test('a log of many results of few rows is summed up on the way', async (t) => {
  const columns = columnsOf(
    Array.from({ length: 1000 }, (_, at) => ({ ...up, slot: T, responseTime: at / 1e6, jobId: 1 + (at % 2) })),
  );
  const accumulator = new Accumulator();
  for (let round = 0; round < 2500; round++) for (let row = 0; row < 1000; row++) accumulator.add(columns, row);
  const [row] = [...rowsOf(accumulator.take())].filter(
    ({ granularity, jobId }) => granularity === 'hour' && jobId === 1,
  );
  t.match(row, { count: 1_250_000, rtHist: { 0: 2500, 2: 2500, 100: 2500 }, data: { 200: 1_250_000 } });
  t.equal(
    Object.values(row.rtHist).reduce((sum, times) => sum + times, 0),
    1_250_000,
  );
});
