import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { test } from 'tap';
import { parseResult } from '../../src/messages/decode.ts';
import { encodeResult } from '../../src/messages/encode.ts';
import { restOf } from '../../src/processor/counting/raw-results.ts';
import { checkResult } from '../messages/arbitraries.ts';
import { createRig } from './rig.ts';
import { foreignLine, line, START_MS } from './streams.ts';

const COLUMNS = `job_id, location, (extract(epoch FROM at) * 1000)::bigint AS at, epoch, slot, slots, period_ms, ts, outcome,
  reason, status, rt, timings, bytes, attempt, detail, "values", maintenance, topic, partition, record_offset`;

test('raw results are kept with all they say, as far as they count', async (t) => {
  const rig = await createRig(t);
  const full = encodeResult({
    jobId: 7,
    location: 'a\tb\\n"é😀'.replace('\t', ' '),
    epoch: 3,
    slot: START_MS,
    ts: START_MS + 12,
    outcome: 'degraded',
    reason: 'latency',
    status: '2\\0',
    responseTime: 1.234567,
    timings: { dns: 0.001, connect: 0.002, ttfb: 1.2 },
    bytes: 512,
    attempt: 2,
    detail: 'slow: C:\\new\\table \\N \\. "quoted" é😀',
    values: { days_left: -0.5, most: 999_999_999.999999 },
    maintenance: true,
  });
  rig.driver.append(
    'checks',
    0,
    [full, line({ slot: 1 }), line({ slot: 1 })].join('\n'),
    foreignLine(2, 5, '404', 0.25),
  );
  rig.driver.append('checks', 0, line({ slot: 4, slots: 5, reason: 'scheduler_down' }));
  await rig.start({ resultsStore: 'all' });
  await rig.settle();
  const { rows } = await rig.database.query(`SELECT ${COLUMNS} FROM results ORDER BY record_offset, job_id DESC`);
  const nothing = { values: null, maintenance: null };
  const none = {
    reason: null,
    status: null,
    rt: null,
    timings: null,
    bytes: null,
    attempt: null,
    detail: null,
    ...nothing,
  };
  const place = { location: 'default', topic: 'checks', partition: 0 };
  t.strictSame(rows, [
    {
      ...place,
      job_id: 7,
      location: 'a b\\n"é😀',
      at: START_MS,
      epoch: 3,
      slot: START_MS,
      slots: 1,
      period_ms: null,
      ts: START_MS + 12,
      outcome: 'degraded',
      reason: 'latency',
      status: '2\\0',
      rt: 1_234_567,
      timings: { dns: 0.001, connect: 0.002, ttfb: 1.2 },
      bytes: 512,
      attempt: 2,
      detail: 'slow: C:\\new\\table \\N \\. "quoted" é😀',
      values: { days_left: -0.5, most: 999_999_999.999999 },
      maintenance: true,
      record_offset: 0,
    },
    {
      ...place,
      ...none,
      job_id: 1,
      at: START_MS + 1000,
      epoch: 1,
      slot: START_MS + 1000,
      slots: 1,
      period_ms: null,
      ts: START_MS + 1003,
      outcome: 'up',
      status: '200',
      rt: 12_000,
      record_offset: 0,
    },
    {
      ...place,
      ...none,
      job_id: 2,
      at: START_MS + 5,
      epoch: null,
      slot: null,
      slots: 1,
      period_ms: null,
      ts: START_MS + 5,
      outcome: 'down',
      reason: 'status',
      status: '404',
      rt: 250_000,
      record_offset: 1,
    },
    {
      ...place,
      ...none,
      job_id: 1,
      at: START_MS + 4000,
      epoch: 1,
      slot: START_MS + 4000,
      slots: 3,
      period_ms: 1000,
      ts: START_MS + 4003,
      outcome: 'missed',
      reason: 'scheduler_down',
      record_offset: 2,
    },
  ]);
});

test('failures only, or none at all', async (t) => {
  for (const [resultsStore, expected] of [
    ['failures', ['down', 'missed']],
    ['none', []],
  ] as const) {
    const rig = await createRig(t);
    rig.driver.append('checks', 0, line({ slot: 1 }), line({ slot: 2, outcome: 'down' }), line({ slot: 3, slots: 1 }));
    await rig.start({ resultsStore });
    await rig.settle();
    const { rows } = await rig.database.query<{ outcome: string }>('SELECT outcome FROM results ORDER BY at');
    t.strictSame(
      rows.map(({ outcome }) => outcome),
      expected,
    );
    await rig.exact(t);
  }
});

test('many raw results are written before they fill the memory', async (t) => {
  const rig = await createRig(t);
  rig.driver.batchRecords = 1;
  for (let block = 0; block < 8; block++) {
    const lines = Array.from({ length: 1_000 }, (_, index) => line({ jobId: 1 + index, slot: block }));
    rig.driver.append('checks', 0, lines.join('\n'));
  }
  const processor = await rig.start({ resultsStore: 'all', limits: { bytes: 100_000 }, flushIntervalMs: 60_000 });
  await rig.settle();
  await rig.exact(t);
  t.ok(processor.stats().flushes >= 4);
  const { rows } = await rig.database.query('SELECT count(*) AS rows FROM results');
  t.strictSame(rows, [{ rows: 8_000 }]);
});

test('what is taken from the text of a line is what the reader of lines says', async (t) => {
  fc.assert(
    fc.property(checkResult, (result) => {
      const text = encodeResult(result);
      const { timings, attempt, detail } = parseResult(text);
      const rest = restOf(Buffer.from(text));
      const same =
        isDeepStrictEqual(rest.timings === null ? undefined : JSON.parse(rest.timings), timings) &&
        (rest.attempt ?? undefined) === attempt &&
        (rest.detail ?? undefined) === detail;
      if (!same) throw new Error(text);
    }),
    { numRuns: 2_000 },
  );
  const spaced = '{"v":1, "job_id":1,"location":"a","epoch":1,"slot":1760000000000,"ts":1760000000000,"outcome":"up",';
  const { detail, timings } = restOf(
    Buffer.from(`${spaced}"status":"200","response_time":1,"timings":{"dns":0.12345678,"x":1},"detail":"a\\nb"}`),
  );
  t.strictSame([detail, timings], ['a b', '{"dns":0.123457}']);
});
