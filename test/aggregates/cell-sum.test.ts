import assert from 'node:assert/strict';
import fc from 'fast-check';
import { test } from 'tap';
import { BINS } from '../../src/aggregates/histogram.ts';
import { encodeBins, sumBins } from '../../src/aggregates/histogram-bytes.ts';
import { CellSum, PackedCells } from '../../src/processor/tables/metrics/cell-sum.ts';

const cell = fc.tuple(
  fc.oneof(fc.nat({ max: BINS - 1 }), fc.integer({ min: BINS, max: BINS + 20_000 })),
  fc.oneof(fc.integer({ min: 1, max: 500 }), fc.integer({ min: 1, max: 2 ** 40 })),
);

test('sums come out sorted and packed, bins as histograms are stored; nothing is left', (t) => {
  const sum = new CellSum();
  fc.assert(
    fc.property(fc.array(fc.array(cell, { maxLength: 30 }), { maxLength: 4 }), (portions) => {
      let packed: [string, string] = ['', ''];
      for (const portion of portions) {
        sum.addPacked(packed[0], 0);
        sum.addPacked(packed[1], BINS);
        for (const [code, count] of portion) sum.add(code, count);
        packed = [sum.take(0, BINS), sum.take(BINS, Number.POSITIVE_INFINITY)];
      }
      const expected = new Map<number, number>();
      for (const [code, count] of portions.flat()) expected.set(code, count + (expected.get(code) ?? 0));
      const entries = [...expected].sort((a, b) => a[0] - b[0]);
      const bins = entries.filter(([code]) => code < BINS);
      assert.deepEqual(Buffer.from(packed[0], 'latin1'), encodeBins(bins));
      assert.deepEqual(sumBins([Buffer.from(packed[0], 'latin1')]), Object.fromEntries(bins));
      const rest: Array<[number, number]> = [];
      for (const cells = new PackedCells(packed[1], BINS); cells.next(); ) rest.push([cells.code, cells.count]);
      assert.deepEqual(rest, entries.slice(bins.length));
      assert.equal(sum.take(0, Number.POSITIVE_INFINITY), '');
    }),
  );
  t.end();
});
