import assert from 'node:assert/strict';
import fc from 'fast-check';
import { test } from 'tap';
import { BINS, binOf, binRange, percentiles } from '../../src/aggregates/histogram.ts';

function histogramOf(values: readonly number[]): Record<string, number> {
  const bins: Record<string, number> = {};
  for (const value of values) bins[binOf(value)] = (bins[binOf(value)] ?? 0) + 1;
  return bins;
}

const value = fc.oneof(
  fc.nat({ max: 300 }),
  fc.nat({ max: 60_000_000 }),
  fc.maxSafeNat(),
  fc.integer({ min: 0, max: 52 }).map((power) => 2 ** power),
  fc.integer({ min: 1, max: 53 }).map((power) => 2 ** power - 1),
);

test('a value lies in its bin, and bins follow each other without a gap', async (t) => {
  fc.assert(
    fc.property(value, (whole) => {
      const bin = binOf(whole);
      const { least, greatest } = binRange(bin);
      assert.ok(bin < BINS && least <= whole && whole <= greatest, `${whole} in bin ${bin}: ${least}..${greatest}`);
      assert.equal(binOf(least), bin);
      assert.equal(binOf(greatest), bin);
      if (greatest < Number.MAX_SAFE_INTEGER) assert.equal(binOf(greatest + 1), bin + 1);
    }),
    { numRuns: 5000 },
  );
  t.equal(binOf(Number.MAX_SAFE_INTEGER), BINS - 1);
  t.strictSame(binRange(128), { least: 128, greatest: 129 });
});

test('a percentile is that of the nearest rank, at most 0.8 % off', async () => {
  const p = fc.oneof(
    fc.constantFrom(50, 75, 90, 95, 99, 99.9, 100),
    fc.integer({ min: 1, max: 1000 }).map((tenths) => tenths / 10),
  );
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 200 }), p, (values, wanted) => {
      const sorted = [...values].sort((a, b) => a - b);
      // In whole numbers, so that no rounding is in the expectation.
      const rank = Math.max(1, Math.ceil((Math.round(wanted * 10) * sorted.length) / 1000));
      const exact = sorted[rank - 1];
      const found = percentiles(histogramOf(values), [wanted])[0];
      assert.ok(found !== null && Math.abs(found - exact) <= exact * 0.008, `${found} for ${exact}`);
    }),
    { numRuns: 2000 },
  );
});

test('an empty histogram has no percentiles, a wrong one is refused', async (t) => {
  t.strictSame(percentiles({}, [50]), [null]);
  t.strictSame(percentiles(null, [50]), [null]);
  t.throws(() => percentiles({ 1: 1 }, [0]), RangeError);
  t.throws(() => percentiles({ 1: 1 }, [101]), RangeError);
  t.throws(() => percentiles({ 1: 1 }, [Number.NaN]), RangeError);
  t.strictSame(percentiles(histogramOf([1, 2, 3, 4]), [50, 100, 25.1]), [2, 4, 2]);
});
