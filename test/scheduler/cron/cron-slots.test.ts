import { Cron } from 'croner';
import fc from 'fast-check';
import { test } from 'tap';
import { CronSlots } from '../../../src/scheduler/cron/cron-slots.ts';
import { countCronSlots } from '../../../src/scheduler/slots.ts';

const DAY_MS = 86_400_000;

/** Wall time minus UTC, straight from the runtime, for the reference. */
function createOffsets(zone: string): (ms: number) => number {
  const format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' });
  const known = new Map<number, number>();
  return (ms) => {
    const quarter = Math.floor(ms / 900_000);
    let offset = known.get(quarter);
    if (offset === undefined) {
      const name = format.formatToParts(quarter * 900_000).find(({ type }) => type === 'timeZoneName')?.value ?? '';
      const [, sign, hours, minutes] = /GMT(?:([+-])(\d\d):(\d\d))?/.exec(name) as RegExpExecArray;
      offset = sign ? (sign === '+' ? 1 : -1) * (Number(hours) * 60 + Number(minutes)) * 60_000 : 0;
      known.set(quarter, offset);
    }
    return offset;
  };
}

const offsets = new Map<string, (ms: number) => number>();

/**
 * The slots in [fromMs, toMs], one by one: croner walks the wall clock from quarter to quarter of an hour, in each of
 * which the zone has one offset. What the wall skips happens at the change. Croner is restarted for each day, because it
 * walks past the first of March when it comes from February in search of a 31st.
 */
function slotsOneByOne(expression: string, zone: string, fromMs: number, toMs: number): number[] {
  const cron = new Cron(expression, { paused: true, utcOffset: 0 });
  const offsetOf = offsets.get(zone) ?? createOffsets(zone);
  offsets.set(zone, offsetOf);
  const wallAfter = (ms: number) => cron.nextRun(new Date(ms))?.getTime() ?? Number.POSITIVE_INFINITY;
  const slots = new Set<number>();
  let wall = Number.NEGATIVE_INFINITY;
  for (let quarter = Math.floor(fromMs / 900_000) * 900_000; quarter <= toMs; quarter += 900_000) {
    const offset = offsetOf(quarter);
    const before = offsetOf(quarter - 1);
    const start = quarter + offset;
    if (offset > before && wallAfter(quarter + before - 1000) < start) slots.add(quarter);
    if (offset < before || wall < start || start % DAY_MS === 0) wall = wallAfter(start - 1000);
    for (; wall < start + 900_000; wall = wallAfter(wall)) slots.add(wall - offset);
  }
  return [...slots].filter((slot) => slot >= fromMs && slot <= toMs).sort((a, b) => a - b);
}

const list = (max: number, min = 0) =>
  fc.oneof(
    fc.integer({ min, max }).map(String),
    fc.uniqueArray(fc.integer({ min, max }), { minLength: 1, maxLength: 4 }).map((values) => values.join(',')),
    fc.tuple(fc.integer({ min, max }), fc.integer({ min, max })).map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`),
    fc.integer({ min: 1, max }).map((step) => `*/${step}`),
    fc.integer({ min, max }).map((value) => `${value}/7`),
  );
const any = fc.constant('*');
const months = fc.oneof({ weight: 4, arbitrary: any }, list(12, 1), fc.constantFrom('FEB', 'MAR-OCT', '2', '3,10,11'));
const days = fc.oneof(
  { weight: 3, arbitrary: any },
  list(31, 1),
  fc.constantFrom('L', 'LW', '15W', '1W', '31W', '29', '30,31', '?', '1,L'),
);
const weekdays = fc.oneof(
  { weight: 3, arbitrary: any },
  list(7),
  fc.constantFrom('MON-FRI', '5#2', '0#L', 'FRI#5', '7', 'SUN', '+1', '+MON-FRI', '?', '1#1,3#3'),
);
const expressions = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(list(59), list(59), list(23), days, months, weekdays) },
  { weight: 4, arbitrary: fc.tuple(fc.constantFrom('0', '*/20', '7'), list(59), any, days, months, weekdays) },
  { weight: 4, arbitrary: fc.tuple(fc.oneof(any, list(59)), fc.oneof(any, list(23)), days, months, weekdays) },
  { weight: 1, arbitrary: fc.constantFrom(['@hourly'], ['@daily'], ['@weekly'], ['@monthly'], ['@YEARLY']) },
);
const zones = ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'UTC', 'Asia/Kathmandu', 'America/St_Johns'];
/** Around changes of the zones above, ends of months and years, leap days. */
const starts = fc
  .constantFrom(
    '2026-03-29T01:00:00Z',
    '2026-10-25T01:00:00Z',
    '2026-03-08T07:00:00Z',
    '2026-11-01T06:00:00Z',
    '2026-04-04T15:00:00Z',
    '2026-10-03T15:30:00Z',
    '2028-02-29T00:00:00Z',
    '2100-03-01T00:00:00Z',
    '2027-12-31T23:59:59Z',
    '2024-02-28T23:00:00Z',
  )
  .chain((text) => fc.integer({ min: -3 * DAY_MS, max: DAY_MS }).map((distance) => Date.parse(text) + distance));

test('slots are counted and found as they are when they are walked one by one', async (t) => {
  fc.assert(
    fc.property(
      expressions,
      fc.constantFrom(...zones),
      starts,
      fc.oneof(fc.integer({ min: 0, max: 4 * DAY_MS }), fc.integer({ min: 0, max: 45 * DAY_MS })),
      (fields, zone, fromMs, lengthMs) => {
        const expression = fields.join(' ');
        let slots: CronSlots;
        try {
          new Cron(expression, { paused: true });
          slots = new CronSlots(expression, zone);
        } catch {
          return fc.pre(false);
        }
        const dense = (expression.split(' ').length === 6 ? expression : '0').startsWith('*');
        const toMs = fromMs + (dense ? lengthMs % DAY_MS : lengthMs);
        const expected = slotsOneByOne(expression, zone, fromMs, toMs);
        t.equal(
          countCronSlots(expression, zone, fromMs, toMs),
          expected.length,
          `${expression} ${zone} ${fromMs} ${toMs}`,
        );
        t.equal(slots.last(toMs, fromMs), expected.at(-1) ?? null);
        let at = fromMs - 1;
        for (const slot of expected) {
          const next = slots.next(at);
          if (next !== slot) t.equal(next, slot, `${expression} ${zone} after ${at}`);
          at = slot;
        }
        const beyond = slots.next(at);
        t.ok(beyond === null || beyond > toMs);
        const middle = expected[expected.length >> 1];
        if (middle !== undefined) {
          t.equal(slots.last(middle, fromMs), middle);
          t.equal(slots.count(middle, toMs) + slots.count(fromMs, middle - 1), expected.length);
        }
      },
    ),
    { numRuns: 100 },
  );
});

test('the first of March is no day after a 31st of February', async (t) => {
  const slots = new CronSlots('0 20 31,1 * *', null);
  t.equal(slots.next(Date.parse('2026-02-27T00:00:00Z')), Date.parse('2026-03-01T20:00:00Z'));
});

test('long spans cost no more than short ones', async (t) => {
  const now = Date.parse('2026-11-28T12:00:00Z');
  const from = now - 60 * DAY_MS;
  const measure = (work: () => number) => {
    const start = performance.now();
    return { value: work(), ms: performance.now() - start };
  };
  const seconds = measure(() => countCronSlots('* * * * * *', null, from, now));
  t.equal(seconds.value, 60 * 86_400 + 1);
  t.ok(seconds.ms < 100, `60 days of seconds took ${seconds.ms.toFixed(1)} ms`);
  const jobs = measure(() => {
    let slots = 0;
    for (let job = 0; job < 20; job++) {
      const zoned = new CronSlots('* * * * *', 'Europe/Berlin');
      zoned.last(now, now - 3650 * DAY_MS);
      slots += zoned.count(now - 3650 * DAY_MS, now);
    }
    return slots;
  });
  t.equal(jobs.value, 20 * (3650 * 1440 + 1));
  t.ok(jobs.ms < 250, `20 jobs that are ten years old took ${jobs.ms.toFixed(1)} ms`);
  const sparse = new CronSlots('0 0 29 2 +1', 'America/New_York');
  t.equal(new Date(sparse.next(now) as number).toISOString(), '2044-02-29T05:00:00.000Z');
  t.equal(sparse.last(now, 0), Date.parse('2016-02-29T05:00:00Z'));
});
