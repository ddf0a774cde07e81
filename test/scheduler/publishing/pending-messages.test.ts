import fc from 'fast-check';
import { test } from 'tap';
import type { CheckResult } from '../../../src/messages/check-result.ts';
import { PendingMessages } from '../../../src/scheduler/publishing/pending-messages.ts';
import { type MissedReason, Series, type Shard } from '../../../src/scheduler/series.ts';
import { scheduleOf } from '../../../src/scheduler/slots.ts';
import type { OpenSpan } from '../../../src/scheduler/tables/spans.ts';
import { createFakeClock } from '../../helpers/fake-clock.ts';

const START_MS = Date.UTC(2026, 2, 27);
const WEEK_MS = 7 * 86_400_000;
const LINES_A_TURN = 1000;

/** A publisher with room for `room` more lines, and series that say what they missed. */
function setUp() {
  const clock = createFakeClock({ wallMs: START_MS });
  const lines: CheckResult[] = [];
  const onRoom: Array<() => void> = [];
  const publisher = {
    room: Number.POSITIVE_INFINITY,
    publish(result: CheckResult) {
      if (publisher.room <= 0) return false;
      publisher.room--;
      lines.push(result);
      return true;
    },
    isFull: () => publisher.room <= 0,
    onRoom: (callback: () => void) => void onRoom.push(callback),
  };
  /** How many lines each turn after the first one wrote. */
  const turns: number[] = [];
  const after = (delayMs: number, callback: () => void) =>
    clock.after(delayMs, () => {
      const before = lines.length;
      callback();
      turns.push(lines.length - before);
    });
  const pending = new PendingMessages({
    clock: { after },
    timeline: { now: () => clock.wallMs() },
    publisher,
    location: 'here',
  });
  const createSeries = (jobId: number, cron: string, cronTimezone: string | null = null) => {
    const schedule = scheduleOf({ jobId, periodMs: null, cron, cronTimezone });
    const span = { jobId, fromSlot: START_MS, topic: 'checks' } as OpenSpan;
    return new Series(jobId, { epoch: 1 } as Shard, span, schedule, { job: null, reported: null }, START_MS - 1);
  };
  /** All slots up to `untilMs` are missed. */
  const miss = (series: Series, untilMs: number, reason: MissedReason = 'scheduler_down') => {
    const { schedule, next: first } = series;
    const last = schedule.last(first, untilMs) as number;
    series.next = last;
    series.advance();
    pending.miss(series, { first, last, count: schedule.count(first, last), reason });
  };
  const check = (series: Series) => {
    const slot = series.next;
    const result: CheckResult = {
      ...{ jobId: series.jobId, location: 'here', epoch: 1, slot, ts: slot, outcome: 'up', status: '200' },
      responseTime: 0.1,
    };
    const isTaken = pending.publish(series, result);
    if (isTaken) series.advance();
    return isTaken;
  };
  const makeRoom = (room: number) => {
    publisher.room = room;
    for (const callback of onRoom) callback();
  };
  return { clock, lines, turns, pending, createSeries, miss, check, makeRoom };
}

function slotsOf({ slot, slots = 1, periodMs = 0 }: CheckResult): number[] {
  return Array.from({ length: slots }, (_, index) => slot - (slots - 1 - index) * periodMs);
}

const expressions = fc.constantFrom(
  ...['*/7 * * * * *', '0 9 * * 1-5', '* * * * * *', '*/5 * * * * *', '*/20 * * * *', '30 2 * * *', '*/7 1-3 * * *'],
  ...['5,35 */2 * * *', '0 0 1 * *', '0,1,3,4 * 2 * * *', '0 */6 29-31 * *', '15 9 * * *', '40 */8 * * *'],
);
const zones = fc.constantFrom(null, 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu');
/** Around changes of the zones above and ends of months. */
const starts = fc.constantFrom(
  ...[Date.UTC(2026, 2, 28, 20), Date.UTC(2026, 2, 8, 3), Date.UTC(2026, 9, 24, 22), Date.UTC(2026, 10, 1, 2)],
  ...[
    Date.UTC(2026, 3, 4, 10),
    Date.UTC(2026, 9, 3, 10),
    Date.UTC(2026, 11, 30),
    Date.UTC(2026, 2, 25),
    Date.UTC(2026, 9, 20),
  ],
);

test('runs of cron slots say each slot once, in order', async () => {
  fc.assert(
    fc.property(expressions, zones, starts, fc.integer({ min: 0, max: 172_800 }), (cron, zone, startMs, seconds) => {
      const schedule = scheduleOf({ jobId: 1, periodMs: null, cron, cronTimezone: zone });
      const isOften = cron.split(' ').length === 6;
      const toMs = startMs + seconds * (isOften ? 200 : 15_000);
      const plain: number[] = [];
      for (let slot = schedule.next(startMs); slot <= toMs; slot = schedule.next(slot)) plain.push(slot);
      const found: number[] = [];
      for (let first = schedule.next(startMs); first <= toMs; first = schedule.next(found[found.length - 1])) {
        const { slots, periodMs } = schedule.run(first, toMs);
        for (let index = 0; index < slots; index++) found.push(first + index * periodMs);
      }
      if (found.length !== plain.length || found.some((slot, index) => slot !== plain[index])) {
        throw new Error(`${found.length} slots of ${plain.length}`);
      }
    }),
    { numRuns: 300 },
  );
});

test('a week of cron slots is a handful of lines, also over a change of the clock', async (t) => {
  for (const [cron, zone, most] of [
    ['* * * * * *', null, 1],
    ['* * * * * *', 'Europe/Berlin', 2],
    ['*/5 * * * * *', 'Europe/Berlin', 2],
    ['*/15 * * * *', null, 1],
    ['0 9 * * 1-5', 'UTC', 2],
    ['15 9 * * *', 'Europe/Berlin', 3],
  ] as const) {
    const { lines, createSeries, miss } = setUp();
    const series = createSeries(1, cron, zone);
    const { next, schedule } = series;
    miss(series, START_MS + WEEK_MS);
    t.ok(lines.length <= most, `${cron}: ${lines.length} lines`);
    const slots = lines.reduce((sum, line) => sum + (line.slots ?? 1), 0);
    t.equal(slots, schedule.count(next, START_MS + WEEK_MS));
    t.ok(
      lines.every(({ slot }) => schedule.count(slot, slot) === 1),
      'each ends with a slot',
    );
    t.strictSame(series.pending, []);
  }
});

test('a turn writes a bounded number of lines of all series together, each in its order', async (t) => {
  const { clock, lines, turns, createSeries, miss } = setUp();
  // One line a minute: the last distance of each is another.
  const all = [1, 2, 3].map((jobId) => createSeries(jobId, '*/7 * * * * *'));
  for (const series of all) miss(series, START_MS + 1800 * 60_000 - 1);
  t.equal(lines.length, LINES_A_TURN);
  await clock.advance(10);
  t.strictSame(turns.slice(0, 5), [1000, 1000, 1000, 1000, 400]);
  for (const { jobId, pending, schedule } of all) {
    t.strictSame(pending, []);
    const slots = lines.filter((line) => line.jobId === jobId).flatMap(slotsOf);
    t.equal(slots.length, 9 * 1800);
    t.ok(slots.every((slot, index) => index === 0 || slot === schedule.next(slots[index - 1])));
  }
});

test('while lines wait for their turn, results keep their outcome and misses their reason', async (t) => {
  const { clock, lines, pending, createSeries, miss, check } = setUp();
  const series = createSeries(1, '*/7 * * * * *');
  pending.fence(series);
  miss(series, START_MS + 2000 * 60_000 - 1);
  t.ok(series.pending.length > 0 && !pending.isFull(series), 'the next slot may be checked');
  t.equal(check(series), true);
  miss(series, series.next, 'late');
  miss(series, series.next, 'internal');
  t.equal(check(series), true);
  t.equal(series.quiet, false);
  await clock.advance(10);
  t.strictSame(
    lines.slice(-4).map(({ outcome, reason }) => reason ?? outcome),
    ['up', 'late', 'internal', 'up'],
  );
  const slots = lines.filter(({ slots = 1 }) => slots > 0).flatMap(slotsOf);
  t.ok(
    slots.every((slot, index) => index === 0 || slot === series.schedule.next(slots[index - 1])),
    'in order',
  );
  t.equal(lines.filter(({ outcome, reason }) => outcome === 'missed' && reason === 'overload').length, 0);
});

test('missed slots that wait for their turn come before the fence, which they stand for', async (t) => {
  const { clock, lines, pending, createSeries, miss } = setUp();
  const series = createSeries(1, '*/7 * * * * *');
  miss(series, START_MS + 1500 * 60_000 - 1);
  pending.fence(series);
  t.equal(series.fence, 'needed');
  await clock.advance(10);
  t.equal(series.fence, 'sent');
  t.equal(lines.length, 1500);
  t.ok(lines.every(({ slots }) => slots !== 0));
});

test('a series that is dropped while its lines wait writes no more', async (t) => {
  const { clock, lines, pending, createSeries, miss } = setUp();
  const [dropped, kept] = [1, 2].map((jobId) => createSeries(jobId, '*/7 * * * * *'));
  miss(dropped, START_MS + 1500 * 60_000 - 1);
  miss(kept, START_MS + 10 * 60_000 - 1);
  pending.drop(dropped);
  await clock.advance(10);
  t.equal(lines.filter(({ jobId }) => jobId === 1).length, LINES_A_TURN);
  t.equal(lines.filter(({ jobId }) => jobId === 2).length, 10);
});

test('no room in the middle of a slice: what follows is missed(overload), and goes on when there is room', async (t) => {
  const { clock, lines, pending, createSeries, miss, check, makeRoom } = setUp();
  const series = createSeries(1, '*/7 * * * * *');
  makeRoom(1200);
  miss(series, START_MS + 3000 * 60_000 - 1);
  t.equal(check(series), true, 'it only waits for its turn');
  await clock.advance(10);
  t.equal(lines.length, 1200);
  t.ok(pending.isFull(series));
  t.equal(check(series), false);
  miss(series, series.next, 'overload');
  miss(series, series.next, 'late');
  t.equal(series.pending.length, 3, 'memory does not grow with slots that are missed for want of room');
  makeRoom(1);
  t.equal(lines.length, 1201);
  makeRoom(Number.POSITIVE_INFINITY);
  await clock.advance(10);
  t.strictSame(
    lines.slice(-2).map(({ outcome, reason, slots = 1 }) => [reason ?? outcome, slots]),
    [
      ['up', 1],
      ['overload', 2],
    ],
  );
  const slots = lines.flatMap(slotsOf);
  t.ok(
    slots.every((slot, index) => index === 0 || slot === series.schedule.next(slots[index - 1])),
    'in order',
  );
  t.strictSame(series.pending, []);
});
