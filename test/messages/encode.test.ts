import { test } from 'tap';
import type { CheckResult } from '../../src/messages/check-result.ts';
import { cleanDetail, encodeResult } from '../../src/messages/encode.ts';

const result: CheckResult = {
  jobId: 7,
  location: 'default',
  epoch: 3,
  slot: 1_750_000_000_000,
  ts: 1_750_000_000_004,
  outcome: 'up',
  status: '200',
  responseTime: 0.012345,
};

test('keys come in their fixed order and absent ones are left out', async (t) => {
  t.equal(
    encodeResult(result),
    '{"v":1,"job_id":7,"location":"default","epoch":3,"slot":1750000000000,"ts":1750000000004,"outcome":"up","status":"200","response_time":0.012345}',
  );
  const full: CheckResult = {
    detail: 'expected 200-399',
    attempt: 2,
    bytes: 512,
    timings: { transfer: 0.5, ttfb: 0.0001, tls: 0.25, connect: 1, dns: 0 },
    ...result,
    outcome: 'down',
    reason: 'status',
    status: '500',
  };
  t.equal(
    encodeResult(full),
    '{"v":1,"job_id":7,"location":"default","epoch":3,"slot":1750000000000,"ts":1750000000004,"outcome":"down","reason":"status","status":"500","response_time":0.012345,"timings":{"dns":0,"connect":1,"tls":0.25,"ttfb":0.0001,"transfer":0.5},"bytes":512,"attempt":2,"detail":"expected 200-399"}',
  );
});

test('a resumed handshake has a key of its own behind that of a full one', async (t) => {
  const timings = { ttfb: 0.5, tls_resumed: 0.001, connect: 1 };
  t.match(encodeResult({ ...result, timings }), /"timings":\{"connect":1,"tls_resumed":0\.001,"ttfb":0\.5\}/);
  t.match(
    encodeResult({ ...result, timings: { ...timings, tls: 0.25 } }),
    /"timings":\{"connect":1,"tls":0\.25,"tls_resumed":0\.001,"ttfb":0\.5\}/,
  );
});

test('a range of missed slots says how many and how far apart, a result without response says null', async (t) => {
  t.equal(
    encodeResult({
      ...result,
      slots: 5,
      periodMs: 1000,
      outcome: 'missed',
      reason: 'late',
      status: null,
      responseTime: null,
    }),
    '{"v":1,"job_id":7,"location":"default","epoch":3,"slot":1750000000000,"slots":5,"period":1000,"ts":1750000000004,"outcome":"missed","reason":"late","status":null,"response_time":null}',
  );
});

test('seconds have at most six decimals and never an exponent', async (t) => {
  const printed = (responseTime: number) =>
    /"response_time":([^,}]*)/.exec(encodeResult({ ...result, responseTime }))?.[1];
  t.equal(printed(1e-7), '0');
  t.equal(printed(0.000001), '0.000001');
  t.equal(printed(0.0000015), '0.000002');
  t.equal(printed(0.1 + 0.2), '0.3');
  t.equal(printed(59.9999999), '60');
  t.equal(printed(123456.654321), '123456.654321');
  const differing = Array.from({ length: 3_000 }, (_, step) => (step * 997 + 1) / 1e6).filter(
    (seconds) => printed(seconds) !== String(seconds),
  );
  t.strictSame(differing, []);
  for (const seconds of [1, 0.1, 0.01, 0.001, 0.0001, 0.00001]) t.equal(printed(seconds), String(seconds));
  t.equal(printed(-0.5), '0');
  t.equal(printed(Number.NaN), 'null');
  t.equal(printed(Number.POSITIVE_INFINITY), 'null');
});

test('values and the mark of maintenance come last, numbers rounded half away from zero', async (t) => {
  const values = { days_left: 12, loss: 33.3333335, offset: -0.0000015, none: -0.0000004, most: -1e9, part: 0.25 };
  const line = encodeResult({ ...result, detail: 'x', values, maintenance: true });
  const printed =
    '{"days_left":12,"loss":33.333334,"offset":-0.000002,"none":0,"most":-1000000000,"part":0.25},"maintenance":true}';
  t.equal(line.slice(line.indexOf(',"detail"')), `,"detail":"x","values":${printed}`);
  for (const value of [999_999_999.999999, 123_456_789.000001, -5e-6]) {
    t.equal(JSON.parse(encodeResult({ ...result, values: { value } })).values.value, value, 'and no exponent');
    t.notMatch(encodeResult({ ...result, values: { value } }), /e[-+]/);
  }
  const beyond = { a: Number.NaN, b: Number.POSITIVE_INFINITY, c: 1e9 + 1 };
  t.equal(encodeResult({ ...result, values: beyond }), encodeResult(result), 'what no reader takes is left out');
  t.equal(encodeResult({ ...result, values: { ...beyond, d: 1 } }), encodeResult({ ...result, values: { d: 1 } }));
});

test('texts are escaped, cleaned and bounded', async (t) => {
  const line = encodeResult({ ...result, location: 'Zürich "1"', detail: `a\0b\n"c" ${'x'.repeat(500)}` });
  const parsed = JSON.parse(line);
  t.equal(parsed.location, 'Zürich "1"');
  t.equal(parsed.detail, `a b "c" ${'x'.repeat(192)}`);
  t.equal(cleanDetail(`${'x'.repeat(199)}😀`), `${'x'.repeat(199)}\ufffd`, 'a pair cut in two leaves no half');
  t.equal(cleanDetail('\ud800 alone'), '\ufffd alone');
  t.equal(cleanDetail('x'.repeat(50_000_000)).length, 200);
  t.equal(JSON.parse(encodeResult({ ...result, status: `A\0${'b'.repeat(99)}` })).status, `A ${'b'.repeat(30)}`);
});
