import fc from 'fast-check';
import { test } from 'tap';
import { CronSlots } from '../../src/scheduler/cron/cron-slots.ts';
import { countCronSlots, phaseOf, SHARDS, scheduleOf, shardOf } from '../../src/scheduler/slots.ts';

const iso = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString());
const at = (text: string) => Date.parse(text);
const grid = (jobId: number, periodMs: number) => scheduleOf({ jobId, periodMs, cron: null, cronTimezone: null });

test('the slots of a period lie on a grid that depends on the job alone', async (t) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 2 ** 31 - 1 }),
      fc.integer({ min: 100, max: 40 * 86_400_000 }),
      fc.integer({ min: 0, max: 4e12 }),
      fc.integer({ min: 0, max: 1e10 }),
      (jobId, periodMs, from, length) => {
        const schedule = grid(jobId, periodMs);
        const first = schedule.next(from - 1);
        t.ok(first >= from && first < from + periodMs);
        t.equal((first - phaseOf(jobId, periodMs)) % periodMs, 0);
        t.equal(schedule.next(first), first + periodMs);
        const to = from + length;
        const last = schedule.last(from, to);
        t.equal(schedule.count(from, to), last === null ? 0 : (last - first) / periodMs + 1);
        if (last !== null) t.ok(last >= from && last <= to && last + periodMs > to);
      },
    ),
    { numRuns: 300 },
  );
});

test('phases spread the load and shards are even', async (t) => {
  const tenths = new Array(10).fill(0);
  const shards = new Array(SHARDS).fill(0);
  for (let jobId = 1; jobId <= 64_000; jobId++) {
    tenths[Math.floor(phaseOf(jobId, 60_000) / 6000)]++;
    shards[shardOf(jobId)]++;
  }
  for (const count of tenths) t.ok(Math.abs(count - 6400) < 320, `phases ${count}`);
  for (const count of shards) t.ok(Math.abs(count - 1000) < 100, `shards ${count}`);
});

test('a cron expression in UTC', async (t) => {
  const slots = new CronSlots('*/15 * * * *', null);
  t.equal(iso(slots.next(at('2026-03-01T10:00:00Z'))), '2026-03-01T10:15:00.000Z');
  t.equal(iso(slots.next(at('2026-03-01T09:59:59.999Z'))), '2026-03-01T10:00:00.000Z');
  t.equal(iso(slots.next(at('2026-03-01T10:59:59.001Z'))), '2026-03-01T11:00:00.000Z');
  t.equal(iso(slots.last(at('2026-03-01T10:44:00Z'), at('2026-03-01T10:00:00Z'))), '2026-03-01T10:30:00.000Z');
  t.equal(slots.last(at('2026-03-01T10:14:00Z'), at('2026-03-01T10:01:00Z')), null);
  t.equal(countCronSlots('*/15 * * * *', 'UTC', at('2026-03-01T10:00:00Z'), at('2026-03-01T11:00:00Z')), 5);
  t.equal(new CronSlots('0 0 31 2 *', null).next(0), null);
  t.throws(() => new CronSlots('61 * * * *', null), /minute/);
  t.throws(() => new CronSlots('* * * * *', 'Mars/Olympus'), RangeError);
});

test('a cron expression where the clock is put forward', async (t) => {
  const from = at('2026-03-28T23:00:00Z');
  const list = (cron: string, count: number) => {
    const slots = new CronSlots(cron, 'Europe/Berlin');
    const found: Array<string | null> = [];
    for (let slot = slots.next(from); found.length < count && slot !== null; slot = slots.next(slot)) {
      found.push(iso(slot));
    }
    return found;
  };
  t.strictSame(list('30 2 * * *', 2), ['2026-03-29T01:00:00.000Z', '2026-03-30T00:30:00.000Z'], 'at the change');
  t.strictSame(list('*/30 2,3 * * *', 3), [
    '2026-03-29T01:00:00.000Z',
    '2026-03-29T01:30:00.000Z',
    '2026-03-30T00:00:00.000Z',
  ]);
  t.strictSame(list('30 * * * *', 4), [
    '2026-03-28T23:30:00.000Z',
    '2026-03-29T00:30:00.000Z',
    '2026-03-29T01:00:00.000Z',
    '2026-03-29T01:30:00.000Z',
  ]);
});

test('a cron expression where the clock is put back', async (t) => {
  const slots = new CronSlots('*/30 * * * *', 'Europe/Berlin');
  const found: Array<string | null> = [];
  for (let slot = slots.next(at('2026-10-24T23:59:59Z')); found.length < 6 && slot; slot = slots.next(slot)) {
    found.push(iso(slot));
  }
  t.strictSame(found, [
    '2026-10-25T00:00:00.000Z',
    '2026-10-25T00:30:00.000Z',
    '2026-10-25T01:00:00.000Z',
    '2026-10-25T01:30:00.000Z',
    '2026-10-25T02:00:00.000Z',
    '2026-10-25T02:30:00.000Z',
  ]);
});

test('cron slots agree with a walk over all minutes', async (t) => {
  const zones = ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu', 'UTC'];
  for (const zone of zones) {
    const wall = new Intl.DateTimeFormat('en-US', { timeZone: zone, minute: 'numeric' });
    for (const start of [
      '2026-03-07T00:00:00Z',
      '2026-03-28T00:00:00Z',
      '2026-04-04T00:00:00Z',
      '2026-10-31T18:00:00Z',
    ]) {
      const slots = new CronSlots('15 * * * *', zone);
      const expected: number[] = [];
      for (let ms = at(start); ms <= at(start) + 40 * 3_600_000; ms += 60_000) {
        if (wall.format(ms) === '15') expected.push(ms);
      }
      const found: number[] = [];
      const end = expected[expected.length - 1];
      for (let slot = slots.next(at(start) - 1); slot !== null && slot <= end; slot = slots.next(slot))
        found.push(slot);
      const skippedForward = found.filter((slot) => !expected.includes(slot));
      t.ok(skippedForward.length <= 1, `${zone} ${start}: at most the change itself`);
      t.strictSame(
        found.filter((slot) => expected.includes(slot)),
        expected,
        `${zone} ${start}`,
      );
    }
  }
});
