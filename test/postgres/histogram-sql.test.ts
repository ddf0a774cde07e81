import assert from 'node:assert/strict';
import fc from 'fast-check';
import { test } from 'tap';
import { BINS, binOf, binRange, percentiles } from '../../src/aggregates/histogram.ts';
import { encodeBins, sumBins } from '../../src/aggregates/histogram-bytes.ts';
import { loadMigrations } from '../../src/postgres/migrate.ts';
import { createTestDatabase } from '../helpers/database.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 50);
const bin = fc.oneof(fc.integer({ min: 0, max: binOf(1e12) }), fc.integer({ min: 500, max: 800 }));
const times = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 2 ** 50 }));
const bins = fc.dictionary(bin.map(String), times, { maxKeys: 40 });

function bytesOf(histogram: Readonly<Record<string, number>>): Buffer {
  return encodeBins(Object.entries(histogram).map(([bin, count]) => [Number(bin), count]));
}

function sum(histograms: ReadonlyArray<Readonly<Record<string, number>>>): Record<string, number> {
  const total: Record<string, number> = {};
  for (const histogram of histograms) {
    for (const [key, count] of Object.entries(histogram)) total[key] = (total[key] ?? 0) + count;
  }
  return total;
}

test('bytes and bins say the same, whatever order the bins come in', async (t) => {
  fc.assert(
    fc.property(fc.array(bins, { maxLength: 5 }), (histograms) => {
      assert.deepEqual(sumBins(histograms.map(bytesOf)), sum(histograms));
      for (const one of histograms) {
        const entries = Object.entries(one).map(([key, count]): [number, number] => [Number(key), count]);
        assert.deepEqual(encodeBins(entries.reverse()), bytesOf(one));
      }
    }),
  );
  t.equal(encodeBins([]).length, 0);
  t.equal(bytesOf({ 3: 1, 130: 300 }).toString('hex'), '03017fac02');
  t.throws(() => sumBins([Buffer.from([3])]), RangeError);
  t.throws(() => sumBins([Buffer.from([3, 0x80])]), RangeError);
  t.throws(() => sumBins([encodeBins([[BINS, 1]])]), RangeError);
});

test('the functions of PostgreSQL agree with those of the program', async (t) => {
  const database = await createTestDatabase(t);
  await fc.assert(
    fc.asyncProperty(
      fc.array(bins, { maxLength: 4 }),
      fc.constantFrom(0.1, 1, 50, 75, 90, 95, 99, 99.9, 100, 33.3),
      async (histograms, p) => {
        const { rows } = await database.query<{ merged: Buffer; percentile: number | null; bins: object[] }>(
          `SELECT histogram_merge(h) AS merged, histogram_percentile($2, histogram_merge(h)) AS percentile,
             (SELECT coalesce(jsonb_agg(b), '[]') FROM histogram_bins(histogram_sum($1)) AS b) AS bins
           FROM unnest($1::bytea[]) AS h`,
          [histograms.map(bytesOf), p],
        );
        const merged = sum(histograms);
        assert.deepEqual(rows[0].merged, bytesOf(merged));
        assert.deepEqual([rows[0].percentile], percentiles(merged, [p]));
        const expected = Object.entries(merged).map(([key, count]) => {
          const { least, greatest } = binRange(Number(key));
          return { bin: Number(key), least_us: least, greatest_us: greatest, count };
        });
        assert.deepEqual(rows[0].bins, expected);
      },
    ),
    { numRuns },
  );
  const many = (await database.query("SELECT histogram_percentile(99.9, histogram_of('{5,7}', '{999,1}')) AS p")).rows;
  t.strictSame(many, [{ p: 5 }]);
  for (const wrong of [0, 100.1, Number.NaN]) {
    await t.rejects(database.query('SELECT histogram_percentile($1, $2)', [wrong, bytesOf({ 1: 1 })]), {
      message: /more than 0, at most 100/,
    });
  }
});

test('rows written before are converted, bin by bin', async (t) => {
  const database = await createTestDatabase(t, { migrated: false });
  const migrations = await loadMigrations();
  const at = migrations.findIndex(({ name }) => name.includes('histogram-bytes'));
  const apply = (from: number, to: number) =>
    database.transaction(async (tx) => {
      for (const { sql } of migrations.slice(from, to)) await tx.query(sql);
    });
  await apply(0, at);
  const rows = fc.sample(bins, 200);
  await database.query("SELECT ensure_metric_partition('minute', '2026-06-01', '2026-06-03')");
  await database.query(
    `INSERT INTO metrics (granularity, job_id, location, dt, rt_hist)
     SELECT 'minute', n, 'default', '2026-06-01'::timestamptz + n * interval '10 minutes', bins
     FROM unnest($1::jsonb[]) WITH ORDINALITY AS b (bins, n)`,
    [rows.map((row) => JSON.stringify(row))],
  );
  await apply(at, migrations.length);
  await database.query(
    `INSERT INTO metrics (granularity, job_id, location, dt) VALUES ('minute', 201, 'default', '2026-06-01')`,
  );
  const stored = await database.query<{ bytes: Buffer; writes: number }>(
    'SELECT rt_hist AS bytes, writes FROM metrics ORDER BY job_id',
  );
  t.equal(stored.rows.length, 201);
  for (const [index, { bytes, writes }] of stored.rows.entries()) {
    assert.deepEqual(bytes, bytesOf(rows[index] ?? {}));
    assert.equal(writes, 1);
  }
});
