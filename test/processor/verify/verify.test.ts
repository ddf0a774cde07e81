import { test } from 'tap';
import { planMetrics } from '../../../src/aggregates/metrics-plan.ts';
import { partitionOf } from '../../../src/messages/partition.ts';
import { type VerifyOptions, type VerifyReport, verify } from '../../../src/processor/verify/index.ts';
import { createRig, type Rig } from '../rig.ts';
import { foreignLine, line, START_MS } from '../streams.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

function check(rig: Rig, options: Partial<VerifyOptions> = {}): Promise<VerifyReport> {
  const { database, driver } = rig;
  const range = { fromMs: START_MS - (START_MS % DAY_MS), toMs: START_MS - (START_MS % DAY_MS) + DAY_MS };
  const nowMs = START_MS + 600_000;
  return verify({ database, driver, topics: ['checks'], nowMs, ...range, ...options });
}

/** Jobs 1 to 3 with a slot a second for ten minutes; a few repetitions, zombies, ranges and lines nobody can read. */
async function fill(rig: Rig): Promise<void> {
  for (let slot = 0; slot < 600; slot += 5) {
    for (let jobId = 1; jobId <= 3; jobId++) {
      const lines = [0, 1, 2, 3, 4].map((step) => {
        const at = slot + step;
        // The last result of job 3 is the one before.
        if (jobId === 3 && at >= 598)
          return line({ jobId, slot: at, outcome: 'missed', reason: 'stalled', status: null, responseTime: null });
        const outcome = at % 7 === 0 ? 'down' : 'up';
        return line({ jobId, slot: at, outcome, status: at % 7 === 0 ? '500' : '200', responseTime: (at % 97) / 1000 });
      });
      if (slot % 50 === 0) lines.push(lines[0], line({ jobId, slot: slot + 4, slots: 3, epoch: 2 }), 'rubbish');
      if (slot % 70 === 0) lines.push(line({ jobId, slot: slot + 30, epoch: 0 }));
      rig.driver.append('checks', jobId % 2, lines.map((text) => text.replace('"epoch":1', '"epoch":2')).join('\n'));
    }
  }
}

async function span(rig: Rig, jobId: number, from: number, to: number | null, periodMs = 1_000): Promise<void> {
  await rig.database.query(
    `INSERT INTO schedule_spans (job_id, location, version, period_ms, phase_ms, topic, epoch, from_slot, to_slot, slot_count)
     VALUES ($1, 'default', 1, $2, 0, 'checks', 2, $3, $4, $5)`,
    [
      jobId,
      periodMs,
      START_MS + from * periodMs,
      to === null ? null : START_MS + to * periodMs,
      to === null ? null : to - from + 1,
    ],
  );
}

test('the rows are what the log says, and every slot that was due is counted', async (t) => {
  const rig = await createRig(t, { checks: 2 });
  await fill(rig);
  const processor = await rig.start();
  await rig.settle();
  for (const jobId of [1, 2, 3]) await span(rig, jobId, 0, jobId === 1 ? 599 : null);
  const progress: number[] = [];
  const report = await check(rig, { onProgress: ({ records }) => progress.push(records) });
  t.match(report, { ok: true, differenceCount: 0, unprovableCount: 0, notCovered: [], records: 360 });
  t.match(report.coverage, { series: 3, due: 1800, counted: 1800, pending: 0, gaps: [], unknown: [] });
  t.equal(report.equalRows, 3 * (10 + 1 + 1));
  t.equal(report.results, processor.stats().results);
  t.equal(progress.at(-1), 360);
  const inParts = await check(rig, { maxRows: 10 });
  t.match(inParts, { ok: true, equalRows: report.equalRows, results: report.results });
});

for (const [what, sql, expected] of [
  ['a count', 'UPDATE metrics SET up = up + 1, down = down - 1', { kind: 'value', column: 'up' }],
  ['a minimum', 'UPDATE metrics SET rt_min = 7', { kind: 'value', column: 'rt_min' }],
  ['a status', `UPDATE metrics SET data = '{"200": 60}'`, { kind: 'value', column: 'data' }],
  [
    'a bin',
    `UPDATE metrics SET rt_hist = histogram_sum(ARRAY[rt_hist, histogram_of(ARRAY[5], ARRAY[1])])`,
    { kind: 'value', column: 'rt_hist' },
  ],
  ['extra values', `UPDATE metrics SET extra = '{"a_b": 1}'`, { kind: 'value', column: 'extra' }],
  ['a row removed', 'DELETE FROM metrics', { kind: 'missing row', column: null }],
  ['a row moved', `UPDATE metrics SET dt = dt + interval '30 minutes'`, { kind: 'extra row', column: null }],
] as const) {
  test(`${what} was tampered with: found`, async (t) => {
    const rig = await createRig(t, { checks: 2 });
    await fill(rig);
    await rig.start();
    await rig.settle();
    const at = new Date(START_MS + 3 * MINUTE_MS);
    await rig.database.query(`${sql} WHERE granularity = 'minute' AND job_id = 2 AND dt = $1`, [at]);
    const report = await check(rig);
    t.equal(report.ok, false);
    t.ok(report.differenceCount >= 1);
    t.match(report.differences[0], { granularity: 'minute', jobId: 2, location: 'default', ...expected });
    t.equal((await check(rig, { maxListed: 0 })).differences.length, 0);
  });
}

test('a slot that was never counted is a gap, one that is under way is pending', async (t) => {
  const rig = await createRig(t);
  const slots = [0, 1, 2, 4, 5];
  rig.driver.append('checks', 0, ...slots.map((slot) => line({ slot })), line({ jobId: 2, slot: 3 }));
  rig.driver.append('checks', 0, line({ jobId: 3, slot: 1 }), foreignLine(3, 5));
  await rig.start();
  await rig.settle();
  await span(rig, 1, 0, null);
  await span(rig, 2, 3, 9);
  await span(rig, 3, 0, null);
  const { coverage, ok, differenceCount } = await check(rig, { nowMs: START_MS + 9_001 });
  t.strictSame(coverage.gaps, [{ jobId: 1, location: 'default', due: 6, counted: 5, overdue: 0, pending: 4 }]);
  t.match(coverage, { pending: 10, unknown: [{ jobId: 3, why: /foreign/ }] });
  t.strictSame([ok, differenceCount], [false, 0]);
});

test('it claims nothing about what the log no longer has', async (t) => {
  const rig = await createRig(t, { checks: 2 });
  const [trimmed, whole] = [0, 1].map((partition) => [1, 2, 3, 4].find((id) => partitionOf(id, 2) === partition)!);
  let nowMs = START_MS;
  rig.driver.now = () => nowMs;
  for (let slot = 0; slot < 600; slot++) {
    nowMs = START_MS + slot * 1_000 + 50;
    // From slot 250 on a zombie goes on, whose successor is heard only before the part that is retained, and again later.
    const epoch = slot < 100 ? 1 : 2;
    const zombie = line({ jobId: trimmed, slot: slot + 1, epoch: 1, outcome: 'down' });
    rig.driver.append('checks', 0, line({ jobId: trimmed, slot, epoch }), slot < 250 ? 'rubbish' : zombie);
    rig.driver.append('checks', 1, line({ jobId: whole, slot }));
  }
  await rig.start();
  await rig.settle();
  await rig.database.query("INSERT INTO stream_topics VALUES ('checks', 2)");
  rig.driver.trim('checks', 0, 2 * 250 + 1);
  const plans = planMetrics().filter((plan) => plan.name === 'minute');
  const report = await check(rig, { plans });
  t.strictSame(report.rowDifferences, []);
  t.match(report, { ok: true, differenceCount: 0, equalRows: 4 + 10 });
  t.match(report.notCovered, [{ granularity: 'minute', why: /the stream no longer has/ }]);
  t.equal(report.notCovered[0].toMs, START_MS + 6 * MINUTE_MS, 'a minute of doubt between clocks');
  await rig.database.query('UPDATE metrics SET up = 1');
  const tampered = await check(rig, { plans });
  const judged = (jobId: number) => tampered.differences.filter((one) => one.jobId === jobId).length;
  t.strictSame([tampered.ok, judged(whole), judged(trimmed)], [false, 10, 4]);
});

test('a series that has fallen silent is a gap as soon as its slots are overdue', async (t) => {
  const rig = await createRig(t);
  rig.driver.append('checks', 0, ...[0, 1, 2].map((slot) => line({ slot })), line({ jobId: 2, slot: 0 }));
  await rig.start();
  await rig.settle();
  await span(rig, 1, 0, null);
  await span(rig, 2, 0, 0);
  await span(rig, 3, 0, null);
  const at = async (seconds: number) => {
    const nowMs = START_MS + seconds * 1_000 + 1;
    const { ok, coverage } = await check(rig, { nowMs, permittedDelayMs: 10_000 });
    return { ok, pending: coverage.pending, gaps: coverage.gaps.map(({ jobId, overdue }) => [jobId, overdue]) };
  };
  t.strictSame(await at(10), { ok: true, pending: 8 + 11, gaps: [] });
  t.strictSame(await at(12), { ok: false, pending: 10 + 11, gaps: [[3, 2]] }, 'never heard of');
  const late = {
    ok: false,
    pending: 11 + 11,
    gaps: [
      [1, 7],
      [3, 10],
    ],
  };
  t.strictSame(await at(20), late, 'silent since its third slot');
  const waiting = {
    nowMs: START_MS + 20_001,
    permittedDelayMs: 10_000,
    extraDelayMs: (id: number) => (id === 3 ? 60_000 : 0),
  };
  const { coverage } = await check(rig, waiting);
  t.match(coverage.gaps, [{ jobId: 1, overdue: 7 }], 'a job whose slots may wait longer');
  t.equal(coverage.gaps.length, 1);
});

test('buckets that the range cuts are judged whole, those whose rows may be gone are not', async (t) => {
  const rig = await createRig(t);
  rig.driver.append('checks', 0, line({ slot: 0 }), line({ slot: 100 }));
  await rig.start();
  await rig.settle();
  const range = { fromMs: START_MS + 1, toMs: START_MS + 101_000 };
  t.match(await check(rig, range), { ok: true, equalRows: 4, notCovered: [] });
  const report = await check(rig, { ...range, keptFromMs: { minute: START_MS + 50_000, hour: START_MS + 1 } });
  t.equal(report.equalRows, 2);
  t.match(report.notCovered, [
    { granularity: 'minute', fromMs: START_MS + 1, toMs: START_MS + 60_000, why: /dropped/ },
    { granularity: 'hour', fromMs: START_MS + 1, toMs: START_MS + 101_000, why: /dropped/ },
  ]);
});

test('it may run while counting goes on, with configured aggregates', async (t) => {
  const rig = await createRig(t, { checks: 2 });
  const plans = planMetrics([
    {
      granularity: '30s',
      aggregates: [
        { function: 'max', field: 'bytes' },
        { function: 'min', field: 'response_time' },
      ],
    },
    { granularity: 'hour', aggregates: [{ function: 'counters', field: 'status' }] },
  ]);
  await rig.start({ plans });
  const appending = (async () => {
    for (let slot = 0; slot < 300; slot++) {
      rig.driver.append('checks', slot % 2, line({ jobId: 1 + (slot % 2), slot }).replace('}', ',"bytes":5}'));
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  })();
  const reports: VerifyReport[] = [];
  for (let round = 0; round < 5; round++) {
    reports.push(await check(rig, { plans }));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await appending;
  await rig.settle();
  reports.push(await check(rig, { plans }));
  t.ok(reports.every((report) => report.differenceCount === 0 && report.unprovableCount === 0));
  t.equal(reports.at(-1)?.results, 300);
  t.ok((reports.at(-1)?.equalRows ?? 0) >= 12);
});
