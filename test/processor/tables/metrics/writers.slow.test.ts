import assert from 'node:assert/strict';
import { test } from 'tap';
import type { CheckResult } from '../../../../src/messages/check-result.ts';
import { MetricMemory } from '../../../../src/processor/tables/metrics/memory.ts';
import { MetricsWriter } from '../../../../src/processor/tables/metrics/writer.ts';
import { plainRows } from '../../../aggregates/reference.ts';
import { createTestDatabase } from '../../../helpers/database.ts';
import { countingWriter, deltasOf, prepare, storedRows, storedWrites, T, up, write, wrongRows } from './flushes.ts';

const NAMES = ['minute', 'hour', 'day'];
const minute = `minute 1 default ${T - 30_000}`;

/** A result whose response time and status tell it apart. */
function result(n: number, jobId = 1): CheckResult {
  return { ...up, jobId, responseTime: (n + 1) / 1000, status: String(200 + (n % 7)) };
}

test('two writers that touch the same rows in opposite orders do not lock each other out', async (t) => {
  const database = await createTestDatabase(t);
  const jobs = Array.from({ length: 300 }, (_, at) => ({ ...up, jobId: at + 1 }));
  const forwards = deltasOf(jobs);
  const backwards = deltasOf([...jobs].reverse());
  await prepare(database, forwards);
  const writers = [countingWriter(), countingWriter()];
  const flush = (at: number) => write(database, at % 2 === 0 ? forwards : backwards, writers[at % 2]);
  for (let round = 0; round < 6; round++) await Promise.all([flush(0), flush(1)]);
  const { rows } = await database.query('SELECT DISTINCT count, data, writes FROM metrics');
  t.strictSame(rows, [{ count: 12, data: { 200: 12 }, writes: 12 }]);
});

test('many writers at once on the same and on other rows: nothing is lost, nothing counted twice', async (t) => {
  const database = await createTestDatabase(t, { poolSize: 5 });
  const all: CheckResult[] = [];
  const writer = async (number: number) => {
    const metrics = new MetricsWriter({ memoryBytes: number === 0 ? 0 : 1_000_000 });
    for (let flush = 0; flush < 15; flush++) {
      const results = Array.from({ length: 40 }, (_, n) =>
        result(flush * 40 + n + number, 1 + ((n * (number + 1)) % 23)),
      );
      all.push(...results);
      await write(database, deltasOf(results), metrics);
    }
  };
  await prepare(database, deltasOf([up]));
  await Promise.all([0, 1, 2, 3].map(writer));
  assert.deepEqual(await storedRows(database), plainRows(all, NAMES));
});

test('what was rolled back is not remembered; what was committed unknown to the writer is found', async (t) => {
  const database = await createTestDatabase(t);
  const writer = countingWriter();
  await write(database, deltasOf([result(1)]), writer);
  const fail = async () => Promise.reject(new Error('rolled back'));
  await t.rejects(write(database, deltasOf([result(2)]), writer, fail), { message: 'rolled back' });
  await write(database, deltasOf([result(3)]), writer);
  await write(database, deltasOf([result(4)]), writer, undefined, false);
  await write(database, deltasOf([result(5)]), writer);
  const kept = [1, 3, 4, 5].map((n) => result(n));
  assert.deepEqual(await storedRows(database), plainRows(kept, NAMES));
  t.equal((await storedWrites(database)).get(minute), 4);
});

test('rows are read only when they are not remembered', async (t) => {
  const database = await createTestDatabase(t);
  const reads = async (writer: MetricsWriter, flush: () => CheckResult[]) => {
    const deltas = deltasOf(flush());
    await prepare(database, deltas);
    const statements: string[] = [];
    const written = await database.transaction((tx) =>
      writer.write(
        {
          copyFrom: (...given) => tx.copyFrom(...given),
          query: (sql, parameters) => {
            statements.push(sql);
            return tx.query(sql, parameters);
          },
        },
        [deltas],
      ),
    );
    written.remember();
    return statements.filter((sql) => sql.startsWith('SELECT k.position')).length;
  };
  const writer = new MetricsWriter();
  t.equal(await reads(writer, () => [result(1)]), 0);
  t.equal(await reads(writer, () => [result(2)]), 0);
  t.equal(
    await reads(writer, () => [{ ...result(3), slot: T + 120_000 }]),
    0,
    'a minute, an hour and a day that are new',
  );
  const other = new MetricsWriter();
  t.equal(await reads(other, () => [result(6)]), 1);
  t.equal(await reads(writer, () => [result(7)]), 1, 'another one wrote: read again');
  t.equal(await reads(writer, () => [result(8)]), 0);
});

test('rows that vanish are not brought back with what they held', async (t) => {
  const database = await createTestDatabase(t);
  const writer = new MetricsWriter();
  await write(database, deltasOf([result(1)]), writer);
  await database.query('DELETE FROM metrics');
  await t.rejects(write(database, deltasOf([result(2)]), writer), { message: '3 rows of metrics are gone' });
  t.equal((await storedRows(database)).size, 0);
  writer.forget();
  await write(database, deltasOf([result(2)]), writer);
  assert.deepEqual(await storedRows(database), plainRows([result(2)], NAMES));
});

test('an aborted flush on the same connection, then that of another owner', async (t) => {
  const database = await createTestDatabase(t, { poolSize: 1 });
  // PostgreSQL gives the rows of the temporary table back in another order than they came once a COPY was rolled back.
  const batch = (seed: number) =>
    Array.from({ length: 20_000 }, (_, n) => result((n * seed) % 997, 1 + ((n * seed * 7) % 1_000)));
  const [first, aborted, second] = [3, 5, 7].map(batch);
  await write(database, deltasOf(first));
  const fail = async () => Promise.reject(new Error('rolled back'));
  await t.rejects(write(database, deltasOf(aborted), undefined, fail), { message: 'rolled back' });
  await write(database, deltasOf(second));
  t.strictSame(await wrongRows(database, plainRows([...first, ...second], NAMES)), []);
});

test('a row that was removed and made again is not taken for the one that is remembered', async (t) => {
  const database = await createTestDatabase(t);
  const [first, second] = [new MetricsWriter(), new MetricsWriter()];
  for (const n of [1, 2]) await write(database, deltasOf([result(n)]), first);
  await database.query('DELETE FROM metrics');
  for (const n of [3, 4]) await write(database, deltasOf([result(n)]), second);
  await write(database, deltasOf([result(5)]), first);
  const kept = [3, 4, 5].map((n) => result(n));
  assert.deepEqual(await storedRows(database), plainRows(kept, NAMES));
});

test('what was remembered before the writer had to forget is not taken over after it', async (t) => {
  const database = await createTestDatabase(t);
  const writer = new MetricsWriter();
  const deltas = deltasOf([result(1)]);
  await prepare(database, deltas);
  const written = await database.transaction((tx) => writer.write(tx, [deltas]));
  writer.forget();
  written.remember();
  await write(database, deltasOf([result(2)]), writer);
  assert.deepEqual(await storedRows(database), plainRows([result(1), result(2)], NAMES));
});

test('endless statuses do not stay in memory, and are counted all the same', async (t) => {
  const database = await createTestDatabase(t);
  const writer = new MetricsWriter();
  const results = Array.from({ length: 12_000 }, (_, n) => ({ ...up, status: `status ${n % 11_000}` }));
  await write(database, deltasOf(results.slice(0, 11_500)), writer);
  await write(database, deltasOf(results.slice(11_500)), writer);
  const { rows } = await database.query(
    'SELECT count, (SELECT count(*) FROM jsonb_each_text(data)) AS statuses, (SELECT sum(value::int) FROM jsonb_each_text(data)) AS sum FROM metrics',
  );
  t.strictSame(rows, Array(3).fill({ count: 12_000, statuses: 11_000, sum: 12_000 }));
});

test('memory of rows is bounded, and forgets buckets that are over', (t) => {
  const packed = 'x'.repeat(240);
  const rowsOf = (bucketMs: number, jobs: number) =>
    Array.from({ length: jobs }, (_, at) => ({
      key: { granularity: { name: 'minute', durationMs: 60_000 }, jobId: at + 1, location: 'default', bucketMs },
      packed,
    }));
  const memory = new MetricMemory(35_000);
  const knows = (bucketMs: number, jobId = 1) => memory.get(rowsOf(bucketMs, jobId).at(-1)!.key) !== undefined;
  memory.remember(rowsOf(0, 50));
  t.strictSame([knows(0, 50), knows(0, 51)], [true, false]);
  memory.remember(rowsOf(60_000, 100));
  t.strictSame([knows(0), knows(60_000, 100)], [false, true], 'the older one had to go');
  memory.remember(rowsOf(120_000, 200));
  t.ok(memory.bytes <= 35_000);
  t.strictSame([knows(120_000), knows(120_000, 200)], [true, false], 'what has no room is not kept');
  memory.remember(rowsOf(180_000, 1));
  for (let write = 0; write < 150; write++) memory.remember(rowsOf(240_000, 1));
  t.strictSame([knows(180_000), knows(240_000)], [false, true], 'a bucket that is over is forgotten');
  memory.clear();
  t.equal(memory.bytes, 0);
  t.end();
});

test('the shortest buckets make room for longer ones, which are written again', (t) => {
  const rowsOf = (name: string, durationMs: number) =>
    Array.from({ length: 50 }, (_, at) => ({
      key: { granularity: { name, durationMs }, jobId: at + 1, location: 'default', bucketMs: 0 },
      packed: 'x'.repeat(120),
    }));
  const [minute, hour, day] = [rowsOf('minute', 60_000), rowsOf('hour', 3_600_000), rowsOf('day', 86_400_000)];
  const memory = new MetricMemory(25_000);
  const known = () => [minute, hour, day].map((rows) => rows.filter((row) => memory.get(row.key) !== undefined).length);
  for (let write = 0; write < 3; write++) memory.remember([...minute, ...hour, ...day]);
  t.strictSame(known(), [0, 50, 50]);
  memory.remember([...day, ...hour, ...minute]);
  t.strictSame(known(), [25, 50, 50], 'they have what is left');
  t.equal(memory.bytes, 25_000);
  t.end();
});
