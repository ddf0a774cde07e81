import assert from 'node:assert/strict';
import fc from 'fast-check';
import { test } from 'tap';
import { OUTCOMES, PHASES } from '../../src/messages/check-result.ts';
import { encodeResult } from '../../src/messages/encode.ts';
import { checkResult } from './arbitraries.ts';
import { decode, decodeByReference } from './reference.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 500);
const ends = fc.constantFrom('\n', '\r\n', '\n\n', '\n \t\r\n', '');

test('what a writer encodes is read whole, with the values that went in', async () => {
  fc.assert(
    fc.property(fc.array(checkResult, { maxLength: 12 }), ends, (results, end) => {
      const value = Buffer.from(results.map(encodeResult).join('\n') + end);
      const read = decode(value);
      assert.deepEqual(read, decodeByReference(value));
      assert.deepEqual(read.bad, []);
      assert.equal(read.rows.length, results.length);
      results.forEach((result, at) => {
        const row = read.rows[at];
        for (const key of ['jobId', 'location', 'epoch', 'slot', 'ts', 'status'] as const) {
          assert.equal(row[key], result[key], key);
        }
        assert.equal(row.slots, result.slots ?? 1);
        assert.equal(row.bytes, result.bytes ?? -1);
        assert.equal(row.maintenance, result.maintenance ? 1 : 0);
        const values = Object.entries(result.values ?? {}).map(([name, value]) => {
          const micros = Math.sign(value) * Math.round(Math.abs(value) * 1e6);
          return [name, micros + 0];
        });
        assert.deepEqual(row.values, values);
        const timings = PHASES.map((phase) => Math.round((result.timings?.[phase] ?? -1e-6) * 1e6));
        assert.deepEqual(row.timings, timings);
        assert.equal(row.rtMicros, result.responseTime === null ? -1 : Math.round(result.responseTime * 1e6));
      });
    }),
    { numRuns },
  );
});

test('lines of other producers are read alike, in whatever order their fields are', async () => {
  const order = fc.infiniteStream(fc.nat());
  fc.assert(
    fc.property(fc.array(fc.tuple(checkResult, order), { maxLength: 8 }), ends, (results, end) => {
      const lines = results.map(([result, numbers]) => {
        const {
          epoch: _epoch,
          slot: _slot,
          slots: _slots,
          period: _period,
          ...rest
        } = JSON.parse(encodeResult(result));
        const fields = Object.entries(rest).map((field) => ({ field, at: numbers.next().value }));
        const kept = fields.sort((a, b) => a.at - b.at).map(({ field }) => field);
        return JSON.stringify(Object.fromEntries(kept));
      });
      const value = Buffer.from(lines.join('\n') + end);
      const read = decode(value);
      assert.deepEqual(read, decodeByReference(value));
      assert.deepEqual(read.bad, []);
      results.forEach(([result], at) => {
        assert.equal(read.rows[at].slot, -1);
        assert.equal(read.rows[at].outcome, OUTCOMES.indexOf(result.outcome));
        assert.equal(read.rows[at].bytes, result.bytes ?? -1);
      });
    }),
    { numRuns },
  );
});

/** One change of the bytes: overwritten, left out, doubled, taken from elsewhere or from what JSON is made of. */
const damage = fc.record({
  at: fc.nat(),
  kind: fc.constantFrom('set', 'insert', 'remove', 'repeat', 'copy', 'cut'),
  from: fc.nat(),
  byte: fc.oneof(fc.constantFrom(...Buffer.from('"{}[]:,.-+eE0123456789\\ \n\r\tnulu')), fc.nat({ max: 255 })),
  length: fc.integer({ min: 1, max: 40 }),
});
type Damage = typeof damage extends fc.Arbitrary<infer T> ? T : never;

function applyDamage(value: Buffer, { at, kind, from, byte, length }: Damage): Buffer {
  if (value.length === 0) return value;
  const start = at % value.length;
  const [head, rest] = [value.subarray(0, start), value.subarray(start)];
  if (kind === 'set') return Buffer.concat([head, Buffer.of(byte), rest.subarray(1)]);
  if (kind === 'insert') return Buffer.concat([head, Buffer.of(byte), rest]);
  if (kind === 'remove') return Buffer.concat([head, rest.subarray(length)]);
  if (kind === 'repeat') return Buffer.concat([head, rest.subarray(0, length), rest]);
  if (kind === 'copy') {
    const source = from % value.length;
    return Buffer.concat([head, value.subarray(source, source + length), rest.subarray(length)]);
  }
  return head;
}

test('damaged records give the same rows and the same rejections in both readers', async () => {
  const record = fc.array(checkResult, { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(record, ends, fc.array(damage, { minLength: 1, maxLength: 3 }), (results, end, damages) => {
      const whole = Buffer.from(results.map(encodeResult).join('\n') + end);
      const value = damages.reduce(applyDamage, whole);
      assert.deepEqual(decode(value), decodeByReference(value));
    }),
    { numRuns: 5 * numRuns },
  );
});

test('every digit and key of a line may be wrong', async () => {
  fc.assert(
    fc.property(fc.tuple(checkResult, checkResult), fc.nat({ max: 255 }), (results, byte) => {
      const value = Buffer.from(results.map(encodeResult).join('\n'));
      for (let at = 0; at < value.length; at++) {
        const damaged = Buffer.from(value);
        damaged[at] = byte;
        assert.deepEqual(decode(damaged), decodeByReference(damaged));
      }
    }),
    { numRuns: numRuns / 50 },
  );
});

test('it does not matter in what memory a record lies', async () => {
  const record = fc.array(checkResult, { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(record, fc.nat({ max: 3000 }), fc.nat({ max: 3000 }), ends, (results, before, after, end) => {
      const text = Buffer.from(results.map(encodeResult).join('\n') + end);
      const memory = Buffer.alloc(before + text.length + after, '1234567890');
      text.copy(memory, before);
      const value = memory.subarray(before, before + text.length);
      const expected = decodeByReference(Buffer.from(text));
      assert.deepEqual(decode(value), expected);
      assert.deepEqual(decode(Buffer.from(new Uint8Array(text).buffer)), expected);
    }),
    { numRuns: numRuns / 4 },
  );
});

test('keys in any order, with unknown ones among them, mean the same', async () => {
  fc.assert(
    fc.property(checkResult, fc.infiniteStream(fc.nat()), fc.jsonValue(), (result, random, unknown) => {
      const canonical = encodeResult(result);
      const fields = Object.entries(JSON.parse(canonical)).concat([['x-new', unknown]]);
      const keys = [...random.take(fields.length)];
      const shuffled = fields.map((field, at) => [keys[at], field] as const).sort((a, b) => a[0] - b[0]);
      const other = JSON.stringify(Object.fromEntries(shuffled.map(([, field]) => field)));
      const [row] = decode(Buffer.from(other)).rows;
      const [expected] = decode(Buffer.from(canonical)).rows;
      assert.deepEqual({ ...row, lineEnd: 0 }, { ...expected, lineEnd: 0 });
    }),
    { numRuns },
  );
});
