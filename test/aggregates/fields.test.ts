import assert from 'node:assert/strict';
import fc from 'fast-check';
import { test } from 'tap';
import { aggregates } from '../../src/aggregates/index.ts';
import { addWide, fromStoredSum, timesWide, toStoredSum } from '../../src/aggregates/wide-sum.ts';
import { type CheckResult, MAX_VALUE } from '../../src/messages/check-result.ts';
import { ResultDecoder } from '../../src/messages/decode.ts';
import { encodeResult } from '../../src/messages/encode.ts';
import type { ResultColumns } from '../../src/messages/result-columns.ts';

const T = Date.UTC(2026, 0, 31, 23, 58);

const values = fc.oneof(
  fc.integer({ min: -50, max: 50 }),
  fc.integer({ min: -1e15, max: 1e15 }).map((micros) => micros / 1e6),
  fc.constantFrom(-MAX_VALUE, MAX_VALUE, 0, 0.000001),
);
const line = fc.record({ slot: fc.integer({ min: 0, max: 5 }), isForeign: fc.boolean(), value: fc.option(values) });

function columnsOf(lines: ReadonlyArray<{ slot: number; isForeign: boolean; value: number | null }>): ResultColumns {
  const decoder = new ResultDecoder({ timings: true, offsets: true });
  lines.forEach(({ slot, isForeign, value }, offset) => {
    const ts = T + slot;
    const more = value === null ? {} : { values: { x: value } };
    const own: CheckResult = {
      ...{ jobId: 1, location: 'x', epoch: 1, slot: ts, ts, outcome: 'up', status: '200', responseTime: 1, ...more },
    };
    const text = isForeign
      ? JSON.stringify({ job_id: 1, ts, status: 1, response_time: 1, ...more })
      : encodeResult(own);
    decoder.decodeRecord(Buffer.from(text), (bad) => assert.fail(bad.error), offset);
  });
  return decoder.columns;
}

test('of any results, any split and any order of merging gives the same stored value', async () => {
  const all = aggregates.all().filter(({ fields }) => fields.includes('values.*'));
  assert.deepEqual(
    all.map(({ name }) => name),
    ['min', 'max', 'sum', 'count', 'histogram', 'avg', 'last'],
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 30 }), fc.infiniteStream(fc.nat()), (lines, random) => {
      const columns = columnsOf(lines);
      for (const aggregate of all) {
        const add = (rows: readonly number[]) =>
          rows.reduce((state, row) => aggregate.add(state, columns, row, 1, 'values.x'), aggregate.create());
        const rows = lines.map((_, row) => row);
        const whole = aggregate.toStored(add(rows));
        const shuffled = rows.map((row) => [row, random.next().value as number] as const).sort((a, b) => a[1] - b[1]);
        const parts: number[][] = [[], [], []];
        for (const [row, key] of shuffled) parts[key % 3].push(row);
        // Each part is stored and read again in between, as rows of metrics are.
        const merged = parts
          .map((part) => aggregate.fromStored(JSON.parse(JSON.stringify(aggregate.toStored(add(part))))))
          .reduce((a, b) => aggregate.merge(a, b));
        assert.deepEqual(aggregate.toStored(merged), whole, aggregate.name);
      }
    }),
    { numRuns: 500 },
  );
});

test('sums are exact beyond the whole numbers of JavaScript, both ways', async (t) => {
  fc.assert(
    fc.property(fc.array(fc.maxSafeInteger()), fc.nat({ max: 2_147_483_647 }), (numbers, times) => {
      const exact = numbers.reduce((sum, number) => sum + BigInt(number) * BigInt(times), 0n);
      const sum = numbers.reduce<number | bigint>((before, number) => addWide(before, timesWide(number, times)), 0);
      assert.equal(BigInt(sum), exact);
      const stored = toStoredSum(sum);
      for (const part of Object.values(stored)) assert.ok(Number.isSafeInteger(part));
      assert.equal(fromStoredSum(JSON.parse(JSON.stringify(stored))), sum);
    }),
  );
  t.strictSame(toStoredSum(addWide(2 ** 53 - 1, 2)), { sum: 7_199_254_740_993, sum_e15: 9 });
});
