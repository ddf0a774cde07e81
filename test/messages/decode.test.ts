import { test } from 'tap';
import { OUTCOMES, REASONS } from '../../src/messages/check-result.ts';
import { BadLineError, parseResult, ResultDecoder } from '../../src/messages/decode.ts';
import { encodeResult } from '../../src/messages/encode.ts';
import type { ForeignResult } from '../../src/messages/validity.ts';
import { own, T } from './own-line.ts';
import { decode, decodeByReference, isScanned } from './reference.ts';

const missed = { ...own, outcome: 'missed', status: null, response_time: null };
const foreign = { job_id: 7, ts: T, response_time: 0.25, status: 404 };

const many = (length: number) => Object.fromEntries(Array.from({ length }, (_, n) => [`v${n}`, n + 0.5]));

const errorOf = (line: unknown): string => {
  try {
    parseResult(typeof line === 'string' ? line : JSON.stringify(line));
    return 'accepted';
  } catch (error) {
    if (!(error instanceof BadLineError)) throw error;
    return error.message;
  }
};

test('what cannot be read says where, what was given and what is accepted', async (t) => {
  const cases: Array<[string, unknown, string]> = [
    ['no JSON', '{"v":1', "line: not JSON: Expected ',' or '}' after property value in JSON at position 6"],
    ['a list', '[]', 'line: given a list, accepted: a JSON object'],
    ['a number', '5', 'line: given 5, accepted: a JSON object'],
    ['another version', { ...own, v: 2 }, 'v: given 2, accepted: 1'],
    ['ours without version', { ...own, v: undefined }, 'v: given nothing, accepted: 1'],
    [
      'no slot',
      { ...own, slot: undefined },
      'slot: given nothing, accepted: a whole number 946684800000..4102444800000',
    ],
    ['job_id 0', { ...own, job_id: 0 }, 'job_id: given 0, accepted: a whole number 1..2147483647'],
    [
      'job_id too large',
      { ...own, job_id: 2 ** 31 },
      'job_id: given 2147483648, accepted: a whole number 1..2147483647',
    ],
    ['job_id as text', { ...own, job_id: '7' }, 'job_id: given "7", accepted: a whole number 1..2147483647'],
    ['half an epoch', { ...own, epoch: 1.5 }, 'epoch: given 1.5, accepted: a whole number 0..9007199254740991'],
    [
      'seconds for ms',
      { ...foreign, ts: 1_750_000_000 },
      'ts: given 1750000000, accepted: a whole number 946684800000..4102444800000',
    ],
    [
      'an outcome nobody knows',
      { ...own, outcome: 'fine' },
      'outcome: given "fine", accepted: one of up, degraded, down, missed',
    ],
    ['a reason that is no text', { ...own, reason: 5 }, 'reason: given 5, accepted: text'],
    [
      'a long status',
      { ...own, status: 'x'.repeat(33) },
      `status: given "${'x'.repeat(33)}", accepted: text of 1..32 characters without control characters`,
    ],
    [
      'NUL in a status',
      { ...own, status: 'a\0' },
      'status: given "a\\u0000", accepted: text of 1..32 characters without control characters',
    ],
    [
      'an empty status',
      { ...own, status: '' },
      'status: given "", accepted: text of 1..32 characters without control characters',
    ],
    [
      'no status at all',
      { ...own, status: undefined },
      'status: given nothing, accepted: text, a whole number or null',
    ],
    [
      'half a surrogate',
      { ...own, location: '\ud800' },
      'location: given "\\ud800", accepted: text of 1..64 characters without control characters',
    ],
    ['negative time', { ...own, response_time: -1 }, 'response_time: given -1, accepted: seconds 0..1000000'],
    [
      'endless time',
      '{"job_id":1,"ts":1750000000000,"status":null,"response_time":1e999}',
      'response_time: given null, accepted: seconds 0..1000000',
    ],
    ['slots of a check', { ...own, slots: 2, period: 1000 }, 'slots: given 2, accepted: only with the outcome missed'],
    [
      'a range without period',
      { ...missed, slots: 2 },
      'period: given nothing, accepted: a whole number 1..315619200000',
    ],
    [
      'a range of a century',
      { ...missed, slots: 100, period: 31_536_000_000 },
      'slots: given 100, accepted: a range of at most 315619200000 ms that begins after 946684800000',
    ],
    [
      'missed with a status',
      { ...missed, status: '200' },
      'outcome: a missed slot has neither status nor response_time',
    ],
    ['timings as a list', { ...own, timings: [] }, 'timings: given a list, accepted: an object'],
    ['a phase as text', { ...own, timings: { dns: '1' } }, 'timings.dns: given "1", accepted: seconds 0..1000000'],
    [
      'a resumed handshake of no time',
      { ...own, timings: { tls_resumed: -1 } },
      'timings.tls_resumed: given -1, accepted: seconds 0..1000000',
    ],
    ['attempt 0', { ...own, attempt: 0 }, 'attempt: given 0, accepted: a whole number 1..32767'],
    ['detail as a number', { ...own, detail: 1 }, 'detail: given 1, accepted: text'],
    ['values as a list', { ...own, values: [1] }, 'values: given a list, accepted: an object'],
    [
      'a value as text',
      { ...own, values: { days: '1' } },
      'values.days: given "1", accepted: a number -1000000000..1000000000',
    ],
    [
      'a huge value',
      { ...own, values: { days: -1e10 } },
      'values.days: given -10000000000, accepted: a number -1000000000..1000000000',
    ],
    [
      'a name of a value in capitals',
      { ...own, values: { Days: 1 } },
      'values: given "Days", accepted: names of the form ^[a-z][a-z0-9_]{0,39}$',
    ],
    ['17 values', { ...own, values: many(17) }, 'values: given 17, accepted: 16 names at most'],
    ['values of a missed slot', { ...missed, values: {} }, 'values: a missed slot has none'],
    [
      'values of a foreign line',
      { ...foreign, values: { a: true } },
      'values.a: given true, accepted: a number -1000000000..1000000000',
    ],
    ['a foreign version', { ...foreign, v: 2 }, 'v: given 2, accepted: 1'],
    [
      'a foreign outcome',
      { ...foreign, outcome: 'fine' },
      'outcome: given "fine", accepted: one of up, degraded, down, missed',
    ],
    [
      'a foreign missed slot with a status',
      { ...foreign, outcome: 'missed' },
      'outcome: a missed slot has neither status nor response_time',
    ],
    ['a missed slot with values', { ...missed, values: { a: 1 } }, 'values: a missed slot has none'],
    ['foreign bytes', { ...foreign, bytes: -1 }, 'bytes: given -1, accepted: a whole number 0..9007199254740991'],
    ['no maintenance', { ...own, maintenance: false }, 'maintenance: given false, accepted: true'],
    ['a deep value', `{"v":${'['.repeat(30_000)}${']'.repeat(30_000)}}`, 'v: given a list, accepted: 1'],
    ['a huge line', `{"x":"${'y'.repeat(70_000)}"}`, 'line: given 70008 bytes, accepted: at most 65536'],
  ];
  // What JSON.parse says has more at its end in newer versions of Node.
  for (const [name, line, error] of cases) t.equal(errorOf(line).slice(0, error.length), error, name);
});

test('a line is read whole', async (t) => {
  const line = {
    ...own,
    reason: 'latency',
    timings: { dns: 0.001, tls: 0.5, tls_resumed: 0.25, later: 9 },
    bytes: 5,
    attempt: 2,
    detail: 'a\0b',
    values: { days_left: -0.0000005, none: null, constructor: 7 },
    maintenance: true,
    extra: {},
  };
  t.strictSame(parseResult(Buffer.from(JSON.stringify(line))), {
    jobId: 7,
    location: 'default',
    epoch: 3,
    slot: T,
    ts: T + 4,
    outcome: 'up',
    status: '200',
    responseTime: 0.012345,
    reason: 'latency',
    timings: { dns: 0.001, tls: 0.5, tls_resumed: 0.25 },
    bytes: 5,
    attempt: 2,
    detail: 'a b',
    values: { days_left: -0.000001, constructor: 7 },
    maintenance: true,
  });
  t.match(parseResult(JSON.stringify({ ...missed, slots: 3, period: 1000 })), { slots: 3, periodMs: 1000 });
  t.match(
    parseResult(JSON.stringify({ ...missed, slots: 0, period: 0 })),
    { slots: 0, periodMs: 0 },
    'a fence of a job by cron',
  );
});

test('a reason of a newer writer counts as none, null is as good as absent', async (t) => {
  const result = parseResult(JSON.stringify({ ...own, outcome: 'down', reason: 'eclipse', bytes: null, detail: null }));
  t.equal(result.outcome, 'down');
  t.equal(result.reason, undefined);
  t.equal(result.bytes, undefined);
  const { rows } = decode(Buffer.from(JSON.stringify({ ...own, reason: 'eclipse' })));
  t.match(rows, [{ reason: 255, jobId: 7 }]);
});

test('a foreign line has no slot and gets its outcome from its status', async (t) => {
  const read = (fields: object) => parseResult(JSON.stringify({ ...foreign, ...fields })) as ForeignResult;
  t.strictSame(read({}), {
    jobId: 7,
    location: 'default',
    epoch: null,
    slot: null,
    ts: T,
    status: '404',
    responseTime: 0.25,
    outcome: 'down',
    reason: 'status',
  });
  t.match(read({ status: '200', location: 'oslo', v: null }), { outcome: 'up', location: 'oslo' });
  t.match(read({ status: 'OPEN' }), { outcome: 'up', status: 'OPEN' });
  t.match(read({ status: 399 }), { outcome: 'up' });
  t.match(read({ status: null, response_time: 0 }), { outcome: 'down', responseTime: null }, 'no zero for the minimum');
  t.match(
    read({ v: 1, outcome: 'degraded', reason: 'latency', status: '500' }),
    { outcome: 'degraded', reason: 'latency', status: '500' },
    'a given outcome holds',
  );
  t.match(read({ outcome: 'up', status: null }), { outcome: 'up', status: null, responseTime: 0.25 });
  t.match(read({ outcome: 'down', status: '200' }), { outcome: 'down', reason: undefined });
  t.match(read({ reason: 'of a newer writer' }), { outcome: 'down', reason: 'status' });
  const measured = { timings: { ttfb: 0.2 }, bytes: 5, detail: 'a\u0007b', values: { loss: 0.5 } };
  t.match(read(measured), { ...measured, detail: 'a b', outcome: 'down' });
  t.match(read({ outcome: 'missed', status: null, response_time: null }), { outcome: 'missed' });
  t.strictSame(
    parseResult(JSON.stringify({ ...foreign, ...measured, outcome: 'up' }), true),
    read({}),
    'as versions read it that knew no more of it',
  );
  t.throws(() => parseResult(JSON.stringify({ ...foreign, v: 1 }), true), BadLineError);
  const { rows } = decode(Buffer.from(`${JSON.stringify(foreign)}\n`));
  t.match(rows, [{ epoch: -1, slot: -1, slots: 1, ts: T, rtMicros: 250_000, status: '404', location: 'default' }]);
});

test('line ends, blank lines and damaged lines', async (t) => {
  const line = JSON.stringify(own);
  const value = Buffer.concat([
    Buffer.from(`${line}\r\n\n  \t\r\n${line}\n{"v":1\n`),
    Buffer.from([0x7b, 0xff, 0x7d, 0x0a]),
    Buffer.from(`${line}${line}\n${line}`),
  ]);
  const read = decode(value);
  t.strictSame(read, decodeByReference(value));
  t.equal(read.rows.length, 3);
  t.strictSame(
    read.bad.map(({ line, error }) => [line, error.slice(0, 24)]),
    [
      [4, 'line: not JSON: Expected'],
      [5, 'line: not valid UTF-8'],
      [6, 'line: not JSON: Unexpect'],
    ],
  );
  const [bad] = read.bad;
  t.equal(value.subarray(bad.start, bad.end).toString(), '{"v":1');
  t.strictSame(decode(Buffer.alloc(0)), { rows: [], bad: [] });
  t.equal(decode(Buffer.from(line.slice(0, -1))).bad.length, 1, 'a truncated line');
});

test('every outcome and reason takes the fast way too', async (t) => {
  const decoder = new ResultDecoder({ timings: true });
  for (const outcome of OUTCOMES) {
    for (const reason of REASONS) {
      const checked =
        outcome === 'missed' ? { status: null, responseTime: null } : { status: '200', responseTime: 0.5 };
      const line = encodeResult({ jobId: 1, location: 'x', epoch: 0, slot: T, ts: T, outcome, reason, ...checked });
      t.strictSame(decode(Buffer.from(line), decoder), decodeByReference(Buffer.from(line)), `${outcome} ${reason}`);
    }
  }
});

test('all phases in their order take the fast way, others are left to the reader of JSON', async (t) => {
  const line = (timings: object | string) =>
    JSON.stringify({ ...own, timings: 0 }).replace(
      '"timings":0',
      `"timings":${typeof timings === 'string' ? timings : JSON.stringify(timings)}`,
    );
  const phases = ['dns', 'connect', 'tls', 'tls_resumed', 'ttfb', 'transfer'];
  for (let some = 1; some < 1 << phases.length; some++) {
    for (const seconds of [0.012345, 0.5, 12]) {
      const names = phases.filter((_, n) => some & (1 << n));
      const text = line(Object.fromEntries(names.map((name) => [name, seconds])));
      t.ok(isScanned(text), text);
      t.strictSame(decode(Buffer.from(text)), decodeByReference(Buffer.from(text)));
    }
  }
  for (const timings of [
    { tls_resumed: 0.5, tls: 0.5 },
    { tls_resumed: -1 },
    { tls: 'x', tls_resumed: 0.5 },
    { tls_resume: 0.5 },
    { tls_resumes: 0.5 },
    { tls_resumed_: 0.5 },
    '{"tls":0.5,"tls":0.25}',
    '{"tls_resumed":0.5,"tls_resumed":0.25}',
    '{"tls_resumed":0.5,}',
    '{"tls":0.5,}',
    '{"tls":0.5"tls_resumed":0.5}',
    '{"tls_resumed":}',
  ]) {
    const text = line(timings);
    t.notOk(isScanned(text), text);
    t.strictSame(decode(Buffer.from(text)), decodeByReference(Buffer.from(text)));
  }
});

test('endless distinct statuses and locations do not stay in memory', async (t) => {
  const decoder = new ResultDecoder();
  for (let block = 0; block < 20; block++) {
    decoder.reset();
    const lines = Array.from({ length: 1000 }, (_, at) =>
      JSON.stringify({ ...foreign, status: `s${block}-${at}`, location: `l${block}-${at}` }),
    );
    decoder.decodeRecord(Buffer.from(lines.join('\n')), () => t.fail('a bad line'));
    t.equal(decoder.columns.statuses[decoder.columns.status[999]], `s${block}-999`);
    t.equal(decoder.columns.locations[decoder.columns.location[0]], `l${block}-0`);
  }
  t.ok(decoder.columns.statuses.length <= 6000);
  t.ok(decoder.columns.locations.length <= 6000);
});

test('a record of many lines grows the columns, the object stays the same', async (t) => {
  const decoder = new ResultDecoder();
  const { columns } = decoder;
  decoder.decodeRecord(Buffer.from(`${JSON.stringify(own)}\n`.repeat(5000)), () => t.fail('a bad line'));
  t.equal(columns.length, 5000);
  t.equal(columns.slot[4999], T);
  decoder.reset();
  t.equal(columns.length, 0);
});
