import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { test } from 'tap';
import { ResultDecoder } from '../../src/messages/decode.ts';
import { encodeResult } from '../../src/messages/encode.ts';
import { parseResult } from '../../src/messages/parse.ts';
import { checkResultSchema } from '../../src/messages/schema.ts';
import { BadLineError, MAX_RANGE_MS, MIN_TIME_MS } from '../../src/messages/validity.ts';
import { checkResult } from './arbitraries.ts';

const validate = new Ajv2020({ strict: false }).compile(checkResultSchema);
const decoder = new ResultDecoder();

function isParsed(line: string): boolean {
  try {
    parseResult(line);
    return true;
  } catch (error) {
    if (error instanceof BadLineError) return false;
    throw error;
  }
}

function isDecoded(line: string): boolean {
  let bad = 0;
  decoder.reset();
  // Behind another one and with room behind it: the byte scanner sees it.
  decoder.decodeRecord(Buffer.from(`${line}\n${' '.repeat(3_000)}`), () => bad++);
  return bad === 0 && decoder.columns.length === 1;
}

/** The one rule that JSON Schema cannot say. */
function isTooLong({ slots, period, slot, epoch }: Record<string, unknown>): boolean {
  if (typeof slots !== 'number' || typeof period !== 'number' || (slot ?? epoch) == null) return false;
  const length = (slots - 1) * period;
  return length > MAX_RANGE_MS || Number(slot) - length < MIN_TIME_MS;
}

const bounds = [
  ...[0, 1, -1, 32_767, 32_768, 1e6, 1e6 + 1, 2_147_483_647, 2_147_483_648, 2 ** 53 - 1, 2 ** 53, 1e300],
  ...[946_684_799_999, 946_684_800_000, 4_102_444_800_000, 4_102_444_800_001, MAX_RANGE_MS, MAX_RANGE_MS + 1],
];
const value = fc.oneof(
  fc.constantFrom<unknown>(...bounds, null, true, '', 'x', 'up', 'missed', 'timeout', [], {}, 0.5, 1.0000001, -0),
  fc.constantFrom(31, 32, 33, 63, 64, 65, 200, 201).map((length) => 'x'.repeat(length)),
  fc.constantFrom(32, 33, 64, 65).map((length) => '\u{1f600}'.repeat(length)),
  fc.constantFrom('a\u0000b', 'a\u007fb', 'a\u0080', '\ud83d', 'a\nb', '\u202e'),
  fc.record({ dns: fc.constantFrom<unknown>(0, 1e6, 1e6 + 1, -1, 'x', null), other: fc.constant('x') }),
  fc.dictionary(
    fc.constantFrom('days_left', 'x', 'A', 'a'.repeat(40), 'a'.repeat(41), '1a', '_a', 'toString', '__proto__'),
    fc.constantFrom<unknown>(0, -1, 1e9, -1e9, 1e9 + 1, null, '1', 0.5, 1e-9),
    { maxKeys: 2 },
  ),
  fc.constantFrom(16, 17).map((length) => Object.fromEntries(Array.from({ length }, (_, n) => [`v${n}`, n]))),
  fc.record({ tls_resumed: fc.constantFrom<unknown>(0, 1e6, 1e6 + 1, -1, 'x', null) }),
);
const name = fc.constantFrom(
  ...['v', 'job_id', 'location', 'epoch', 'slot', 'slots', 'period', 'ts', 'outcome', 'reason', 'status'],
  ...['response_time', 'timings', 'bytes', 'attempt', 'detail', 'values', 'maintenance', 'unknown'],
);
const change = fc.oneof(fc.record({ name, value }), fc.record({ name, remove: fc.constant(true as const) }));
const plain = fc.constant('{"job_id":1,"ts":1750000000000,"response_time":0.1,"status":"200"}');
/** With any of the further fields. */
const rich = checkResult.map((result) => {
  const { epoch: _epoch, slot: _slot, slots: _slots, period: _period, ...rest } = JSON.parse(encodeResult(result));
  return JSON.stringify(rest);
});

test('the byte scanner, the JSON reader and the schema accept the same lines', (t) => {
  let accepted = 0;
  let refused = 0;
  fc.assert(
    fc.property(
      fc.oneof(checkResult.map(encodeResult), plain, rich),
      fc.array(change, { maxLength: 3 }),
      (canonical, changes) => {
        const line = JSON.parse(canonical) as Record<string, unknown>;
        for (const one of changes) {
          if ('remove' in one) delete line[one.name];
          else line[one.name] = one.value;
        }
        const text = JSON.stringify(line);
        const is = isParsed(text);
        if (is) accepted++;
        else refused++;
        const bySchema = validate(JSON.parse(text)) && !isTooLong(line);
        if (bySchema !== is) throw new Error(`schema ${bySchema}, reader ${is}: ${text}`);
        if (isDecoded(text) !== is) throw new Error(`decoder ${!is}, reader ${is}: ${text}`);
      },
    ),
    { numRuns: 5_000 },
  );
  t.ok(accepted > 500 && refused > 500, `${accepted} accepted, ${refused} refused`);
  t.end();
});

test('the published file is the schema', (t) => {
  const file = readFileSync(new URL('../../docs/check-result.v1.json', import.meta.url), 'utf8');
  t.strictSame(JSON.parse(file), JSON.parse(JSON.stringify(checkResultSchema)));
  t.end();
});
