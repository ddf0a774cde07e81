import { type Test, test } from 'tap';
import { verify } from '../../../src/processor/verify/index.ts';
import { countCronSlots } from '../../../src/scheduler/slots.ts';
import { createRig, type Rig } from '../rig.ts';
import { line, START_MS } from '../streams.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** Job 1 is checked each minute by a cron expression: minutes 0 to 4 are counted, but for those left out. */
async function cronJob(t: Test, { without = [] as number[], to = null as number | null, from = 0 } = {}): Promise<Rig> {
  const rig = await createRig(t);
  const slots = [0, 1, 2, 3, 4].filter((slot) => !without.includes(slot));
  rig.driver.append('checks', 0, ...slots.map((slot) => line({ slot, periodMs: MINUTE_MS })));
  await rig.start();
  await rig.settle();
  await rig.database.query(
    `INSERT INTO schedule_spans (job_id, location, version, cron, cron_timezone, topic, epoch, from_slot, to_slot, slot_count)
     VALUES (1, 'default', 1, '* * * * *', 'Europe/Berlin', 'checks', 1, $1, $2, $3)`,
    [START_MS + from * MINUTE_MS, to === null ? null : START_MS + to * MINUTE_MS, to === null ? null : to - from + 1],
  );
  return rig;
}

async function coverageOf({ database, driver }: Rig, nowMs: number, fromMs = START_MS - 600_000) {
  const options = { database, driver, topics: ['checks'], fromMs, toMs: START_MS + DAY_MS, nowMs };
  return verify({ ...options, permittedDelayMs: 20_000, countSlots: countCronSlots });
}

test('a job of a cron expression is judged like any other, while its span is open', async (t) => {
  const rig = await cronJob(t);
  const { ok, coverage } = await coverageOf(rig, START_MS + 5.5 * MINUTE_MS);
  t.strictSame(coverage, { series: 1, due: 5, counted: 5, overdue: 0, pending: 1, gaps: [], unknown: [] });
  t.equal(ok, true);
});

test('a slot of a cron expression that was left out is a gap', async (t) => {
  const rig = await cronJob(t, { without: [2], to: 4 });
  const { ok, coverage, rowDifferences } = await coverageOf(rig, START_MS + 5.5 * MINUTE_MS);
  t.match(coverage.gaps, [{ jobId: 1, due: 5, counted: 4, overdue: 0, pending: 0 }]);
  t.strictSame([ok, rowDifferences], [false, []]);
});

test('a slot of a cron expression is overdue when its next one has come and the permitted delay is over', async (t) => {
  const rig = await cronJob(t);
  const at = async (minutes: number) => {
    const { coverage } = await coverageOf(rig, START_MS + minutes * MINUTE_MS);
    return [coverage.overdue, coverage.pending, coverage.gaps.length];
  };
  t.strictSame(await at(6.3), [0, 2, 0]);
  t.strictSame(await at(6.4), [1, 1, 1]);
  t.strictSame(await at(8.4), [3, 1, 1]);
});

test('of a span that began long before, only the part in the range is judged', async (t) => {
  const rig = await cronJob(t, { from: -100_000, to: 4 });
  const { ok, coverage } = await coverageOf(rig, START_MS + 10 * MINUTE_MS, START_MS);
  t.match(coverage, { due: 5, counted: 5, overdue: 0, pending: 0, gaps: [], unknown: [] });
  t.equal(ok, true);
  await rig.database.query('UPDATE schedule_spans SET slot_count = slot_count + 1');
  const tampered = await coverageOf(rig, START_MS + 10 * MINUTE_MS, START_MS);
  t.match(tampered, { ok: false, rowDifferences: [{ table: 'schedule_spans', column: 'slot_count' }] });
});

test('an expression that cannot be read is named, not taken for covered', async (t) => {
  const rig = await cronJob(t);
  await rig.database.query("UPDATE schedule_spans SET cron = 'never'");
  const { coverage } = await coverageOf(rig, START_MS + 10 * MINUTE_MS);
  t.match(coverage, { due: 0, unknown: [{ jobId: 1, why: /^its cron expression cannot be read: / }] });
});
