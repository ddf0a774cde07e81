import assert from 'node:assert/strict';
import fc from 'fast-check';
import { test } from 'tap';
import { BUILT_IN_AGGREGATES, type MetricSetting } from '../../../../src/aggregates/metrics-plan.ts';
import type { CheckResult } from '../../../../src/messages/check-result.ts';
import { someResult } from '../../../aggregates/arbitraries.ts';
import { plainRows } from '../../../aggregates/reference.ts';
import { createTestDatabase } from '../../../helpers/database.ts';
import { countingWriter, deltasOf, storedRows, storedWrites, T, up, write } from './flushes.ts';

test('rows are increased, never overwritten', async (t) => {
  const database = await createTestDatabase(t);
  t.equal(await write(database, deltasOf([])), 0);
  t.equal(await write(database, deltasOf([up, { ...up, jobId: 2, status: '404' }])), 6);
  const failed: CheckResult = { ...up, outcome: 'down', reason: 'timeout', status: null, responseTime: null };
  t.equal(await write(database, deltasOf([{ ...up, responseTime: 0.05 }, failed, { ...up, status: '500' }])), 3);
  const rows = await storedRows(database);
  t.equal(rows.size, 6);
  t.strictSame(rows.get(`minute 1 default ${T - 30_000}`), {
    granularity: 'minute',
    jobId: 1,
    location: 'default',
    bucketMs: T - 30_000,
    count: 4,
    up: 3,
    degraded: 0,
    down: 1,
    missed: 0,
    maintenanceUp: 0,
    maintenanceDegraded: 0,
    maintenanceDown: 0,
    rtCount: 3,
    rtMin: 50_000,
    rtMax: 100_000,
    rtSum: 250_000,
    data: { 200: 2, 500: 1 },
    reasons: { timeout: 1 },
    rtHist: { 673: 1, 737: 2 },
    extra: {},
  });
  const { rows: shown } = await database.query(
    'SELECT rt_min, rt_max, data FROM stats WHERE job_id = 1 AND granularity = $1',
    ['day'],
  );
  t.strictSame(shown, [{ rt_min: 0.05, rt_max: 0.1, data: { 200: 2, 500: 1 } }]);
});

test('a row without any response has no least response time until one comes', async (t) => {
  const database = await createTestDatabase(t);
  const failed: CheckResult = { ...up, outcome: 'down', reason: 'dns', status: null, responseTime: null };
  await write(database, deltasOf([failed]));
  const key = `hour 1 default ${Date.UTC(2026, 0, 31, 23)}`;
  t.match((await storedRows(database)).get(key), { rtMin: null, rtMax: null, rtCount: 0, rtHist: {}, data: {} });
  await write(database, deltasOf([{ ...up, responseTime: 0.3 }]));
  await write(database, deltasOf([failed]));
  t.match((await storedRows(database)).get(key), { rtMin: 300_000, rtMax: 300_000, rtCount: 1, reasons: { dns: 2 } });
});

/** A write that comes to nothing. */
class Undone extends Error {}

test('any order, any split into flushes, and any writers give identical rows in PostgreSQL', async (t) => {
  const database = await createTestDatabase(t);
  const names = ['minute', 'hour', 'day', '5m'];
  const settings = names.map((granularity) => ({ granularity, aggregates: BUILT_IN_AGGREGATES }));
  const flush = fc.record({
    size: fc.integer({ min: 1, max: 20 }),
    writer: fc.nat({ max: 2 }),
    ending: fc.constantFrom('committed', 'committed', 'undone first', 'not known to be committed', 'forgotten'),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(someResult, { minLength: 1, maxLength: 60 }),
      fc.array(flush, { minLength: 1, maxLength: 6 }),
      fc.constantFrom(0, 2_000, 1_000_000),
      async (results, flushes, memoryBytes) => {
        await database.query('TRUNCATE metrics');
        const writers = [0, 1, 2].map(() => countingWriter({ memoryBytes }));
        const writes = new Map<string, number>();
        for (let at = 0, number = 0; at < results.length; number++) {
          const { size, writer, ending } = flushes[number % flushes.length];
          const part = results.slice(at, at + size);
          const deltas = deltasOf(part, settings);
          if (ending === 'undone first') {
            await assert.rejects(
              write(database, deltas, writers[writer], () => Promise.reject(new Undone())),
              Undone,
            );
          }
          await write(database, deltas, writers[writer], undefined, ending !== 'not known to be committed');
          if (ending === 'forgotten') writers[writer].forget();
          for (const key of plainRows(part, names).keys()) writes.set(key, 1 + (writes.get(key) ?? 0));
          at += size;
        }
        assert.deepEqual(await storedRows(database), plainRows(results, names));
        assert.deepEqual(await storedWrites(database), writes);
      },
    ),
    { numRuns: Number(process.env.FUZZ_RUNS ?? 25) },
  );
});

test('aggregates without a column are merged under their keys; those that a result was not counted for end', async (t) => {
  const database = await createTestDatabase(t);
  const setting = (...wanted: Array<[string, string]>): MetricSetting[] => [
    { granularity: 'day', aggregates: wanted.map(([name, field]) => ({ function: name, field })) },
  ];
  const bytes = (size: number) => ({ ...up, bytes: size });
  const first = setting(['max', 'bytes'], ['sum', 'bytes'], ['histogram', 'bytes'], ['avg', 'bytes']);
  await write(database, deltasOf([bytes(10), bytes(30)], first));
  await write(database, deltasOf([bytes(20), bytes(30)], first));
  await write(database, deltasOf([up], first));
  const [before] = (await storedRows(database)).values();
  t.strictSame(before.extra, {
    max_bytes: 30,
    sum_bytes: 90,
    histogram_bytes: { 10: 1, 20: 1, 30: 2 },
    avg_bytes: { sum: 90, count: 4 },
  });
  await write(database, deltasOf([bytes(5)], setting(['min', 'bytes'], ['sum', 'bytes'])));
  const [row] = (await storedRows(database)).values();
  t.strictSame(row.extra, { min_bytes: 5, sum_bytes: 95 });
  t.match(row, { count: 6, up: 6, rtCount: 0, rtMin: null, data: {}, rtHist: {} });
});

test('statuses with quotes, backslashes and names of object members are keys like any other', async (t) => {
  const database = await createTestDatabase(t);
  const statuses = ['"', '\\', '__proto__', 'zürich', '😀', '{}', '0', "'; --"];
  const results = statuses.flatMap((status) => [
    { ...up, status },
    { ...up, status },
  ]);
  await write(database, deltasOf(results.slice(0, 9)));
  await write(database, deltasOf(results.slice(9)));
  // A row that gets a single result is written in another way.
  for (const result of results) await write(database, deltasOf([result]));
  const expected = Object.fromEntries(statuses.map((status) => [status, 4]));
  for (const row of (await storedRows(database)).values()) assert.deepEqual(row.data, expected);
});

test('the deltas of many partitions are one write, also where they share a key', async (t) => {
  const database = await createTestDatabase(t);
  const parts = [0, 1, 2].map((part) =>
    deltasOf([
      { ...up, jobId: 1 },
      { ...up, jobId: 2 + part, location: `place ${part}` },
    ]),
  );
  t.equal(await write(database, parts), 12);
  const counts = [...(await storedRows(database)).values()].map(({ jobId, count }) => `${jobId}: ${count}`);
  t.strictSame([...new Set(counts)].sort(), ['1: 3', '2: 1', '3: 1', '4: 1']);
});

test('a row with thousands of bins passes, alone and merged', async (t) => {
  const database = await createTestDatabase(t);
  const results = Array.from({ length: 4000 }, (_, at) => ({ ...up, responseTime: (at * at + 1) / 1e6 }));
  await write(database, deltasOf(results));
  await write(database, deltasOf(results));
  const expected = plainRows([...results, ...results], ['minute', 'hour', 'day']);
  assert.deepEqual(await storedRows(database), expected);
});
