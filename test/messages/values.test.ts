import { test } from 'tap';
import type { CheckResult } from '../../src/messages/check-result.ts';
import { ResultDecoder } from '../../src/messages/decode.ts';
import { encodeResult } from '../../src/messages/encode.ts';
import { own, T } from './own-line.ts';
import { decode, decodeByReference, isScanned } from './reference.ts';

const many = (length: number) => Object.fromEntries(Array.from({ length }, (_, n) => [`v${n}`, n + 0.5]));

test('values and maintenance take the fast way, also where everything has its greatest length', async (t) => {
  const longest: CheckResult = {
    ...{ jobId: 2_147_483_599, location: 'l'.repeat(64), epoch: 99_999_999, slot: T + 99_999, ts: T + 99_999 },
    ...{ outcome: 'degraded', reason: 'forbidden_address', status: 's'.repeat(32), responseTime: 123_456.654321 },
    timings: { dns: 123_456.654321, connect: 1e6, tls: 1e6, tls_resumed: 1e6, ttfb: 1e6, transfer: 123_456.654321 },
    ...{ bytes: 99_999_999, attempt: 32_767, detail: 'd'.repeat(200), maintenance: true },
    values: Object.fromEntries(
      Array.from({ length: 16 }, (_, n) => [
        `${String.fromCharCode(97 + n)}${'9_'.repeat(20)}`.slice(0, 40),
        -999_999_999.999999,
      ]),
    ),
  };
  const base: CheckResult = {
    jobId: 1,
    location: 'x',
    epoch: 0,
    slot: T,
    ts: T,
    outcome: 'up',
    status: '200',
    responseTime: 1,
  };
  const taken: CheckResult[] = [
    longest,
    { ...base, values: { days_left: 12 } },
    { ...base, values: { days_left: -0.5, a1_: 0, b: 1e9, c: -1e9, d: 123_456_789.000001 } },
    { ...base, values: many(16), maintenance: true, detail: 'x' },
    { ...base, maintenance: true },
    { ...base, attempt: 1, maintenance: true },
    { ...base, outcome: 'missed', status: null, responseTime: null, maintenance: true },
  ];
  for (const result of taken) {
    const text = encodeResult(result);
    t.ok(isScanned(text), text);
    t.strictSame(decode(Buffer.from(text)), decodeByReference(Buffer.from(text)));
  }
  const line = (values: string) => JSON.stringify({ ...own, values: 0 }).replace('"values":0', `"values":${values}`);
  for (const values of [
    ...[
      '{}',
      '{"a":1,"a":2}',
      '{"a":1,}',
      '{"a":01}',
      '{"a":-}',
      '{"a":.5}',
      '{"a":1.}',
      '{"a":1.2345678}',
      '{"a":1e3}',
    ],
    ...[
      '{"a":1000000000.000001}',
      '{"a":12345678901}',
      '{"":1}',
      '{"A":1}',
      '{"9":1}',
      '{"_":1}',
      '{"a":"1"}',
      '{"a":null}',
    ],
    ...[
      `{"${'a'.repeat(41)}":1}`,
      JSON.stringify(many(17)),
      '{"a"1}',
      '{"a":1"b":2}',
      '{"a":1',
      '{"a":-0.0000004}',
      'null',
    ],
  ]) {
    t.notOk(isScanned(line(values)), values);
    const value = Buffer.from(`${line(values)}\n${encodeResult(taken[1]!)}\n`);
    t.strictSame(decode(value), decodeByReference(value), values);
  }
  const missed = JSON.stringify({ ...own, outcome: 'missed', status: null, response_time: null, values: { a: 1 } });
  t.notOk(isScanned(missed), 'a missed slot has none');
  t.strictSame(decode(Buffer.from(missed)), decodeByReference(Buffer.from(missed)));
  t.strictSame(decode(Buffer.from(line('{"a":-0,"b":1.50}'))).rows[0]!.values, [
    ['a', 0],
    ['b', 1_500_000],
  ]);
});

test('rows that are left out take their values and timings with them', async (t) => {
  const decoder = new ResultDecoder({ timings: true });
  const lines = [0, 1, 2, 3].map((n) => JSON.stringify({ ...own, timings: { dns: n }, values: { a: n, b: -n } }));
  decoder.decodeRecord(Buffer.from(lines.join('\n')), () => t.fail('a bad line'));
  decoder.leaveOut(new Set([0, 2]));
  const { columns } = decoder;
  t.strictSame([columns.valueOf(0, 'b'), columns.valueOf(1, 'b'), columns.valueOf(1, 'c')], [-1e6, -3e6, null]);
  t.strictSame([columns.timings![0], columns.timings![6]], [1e6, 3e6]);
});

test('names at the same place may change from line to line, also when there were endless ones', async (t) => {
  const decoder = new ResultDecoder();
  const names = ['days_left', 'days_lefu', 'days', 'a', 'days_left_', 'packet_loss'];
  for (let block = 0; block < 12; block++) {
    decoder.reset();
    const lines = Array.from({ length: 600 }, (_, n) => {
      const [first, second] = [names[n % 6]!, names[(n * 5 + 1) % 6]!];
      return JSON.stringify({ ...own, values: { [first]: n, [second]: -n, [`of_block_${block}_${n}`]: 1 } });
    });
    decoder.decodeRecord(Buffer.from(lines.join('\n')), () => t.fail('a bad line'));
    const { columns } = decoder;
    const differing = lines.filter((line, row) => {
      const values = Object.entries(JSON.parse(line).values as Record<string, number>);
      return values.some(([name, value]) => columns.valueOf(row, name) !== value * 1e6 + 0);
    });
    t.strictSame(differing, []);
    t.equal(columns.valueOf(599, 'of_block_0_1'), null);
  }
});
