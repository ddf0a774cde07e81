import { type Test, test } from 'tap';
import type { Job } from '../../../src/jobs/definition.ts';
import { createFakeClock } from '../../helpers/fake-clock.ts';
import { countLog, differences } from '../support/counting.ts';
import { startProcess } from '../support/process.ts';
import { goodLink, type Link, Log, World } from '../support/world.ts';
import { MemoryReports, WAIT_MS } from './memory-reports.ts';

const PERIOD_MS = 10_000;
/** Within this time after a deadline it is noticed that the database was away before. */
const NOTICED_MS = 3_000;

function setUp({ graceMs = PERIOD_MS, timing = {} }: { graceMs?: number; timing?: Partial<Job> } = {}) {
  const clock = createFakeClock();
  const world = new World(clock);
  const log = new Log();
  const reports = new MemoryReports(clock, graceMs);
  world.setJob(1, { tags: ['push'], periodMs: PERIOD_MS, timeoutMs: 100, ...timing });
  const start = (name: string, databaseLink = goodLink) =>
    startProcess({ world, log, name, leaseMs: 3000, reports: reports.port, databaseLink });
  /** The slots counted, in their order. */
  const counted = () => [...(countLog(log).get(1) ?? new Map()).entries()].sort(([a], [b]) => a - b);
  const outcomes = () => counted().map(([, { outcome, reason }]) => reason ?? outcome);
  /** Until the middle of the next slot's time. */
  const toNextMiddle = async (scheduler: { nextSlot(jobId: number): number | null }) => {
    const next = scheduler.nextSlot(1)!;
    await clock.advance(next + PERIOD_MS / 2 - clock.wallMs());
  };
  const finish = async () => {
    for (const jobId of world.jobIds) world.setJob(jobId, { running: false });
    await clock.advance(15_000);
    return differences(world.spans, countLog(log));
  };
  return { clock, world, log, reports, start, counted, outcomes, toNextMiddle, finish };
}

test('a slot ends with the first report of its time; further ones are repetitions', async (t) => {
  const { clock, reports, start, outcomes, toNextMiddle, finish, log } = setUp();
  const { scheduler, served } = start('a');
  await clock.advance(500);
  await toNextMiddle(scheduler);
  t.strictSame(outcomes(), [], 'it is open');
  reports.begin(1);
  await clock.advance(1_000);
  reports.report(1, { message: 'done', values: { rows: 3 } });
  reports.report(1, { kind: 'down' });
  await clock.advance(1_000);
  t.strictSame(outcomes(), ['up'], 'it does not wait for its end');
  const [line] = [...log.partitions.values()].flat().map((text) => JSON.parse(text));
  t.match(line, { outcome: 'up', status: 'up', response_time: 1, detail: 'done', values: { rows: 3 } });
  await toNextMiddle(scheduler);
  reports.report(1, { kind: 'down', message: 'no space' });
  await clock.advance(1_000);
  t.strictSame(outcomes(), ['up', 'status']);
  t.strictSame(await finish(), []);
  t.equal(served.length, 0, 'nothing is checked');
  await Promise.all([scheduler.stop(), clock.advance(10_000)]);
});

test('without a report in time a slot is silent; a late one changes nothing', async (t) => {
  const { clock, reports, start, outcomes, counted, toNextMiddle, finish } = setUp({ graceMs: 2_000 });
  const { scheduler } = start('a');
  await clock.advance(500);
  const slot = scheduler.nextSlot(1)!;
  await clock.advance(slot + 1_900 - clock.wallMs());
  t.strictSame(outcomes(), []);
  await clock.advance(NOTICED_MS + 200);
  t.strictSame(outcomes(), ['silent']);
  reports.report(1);
  await clock.advance(1_000);
  t.strictSame(outcomes(), ['silent']);
  await toNextMiddle(scheduler);
  await clock.advance(1_000);
  t.strictSame(outcomes(), ['silent', 'silent'], 'the late report was not one of the next slot');
  t.equal(counted()[1]![0], slot + PERIOD_MS);
  t.strictSame(await finish(), []);
  await Promise.all([scheduler.stop(), clock.advance(10_000)]);
});

test('while reports cannot be read no slot is closed, and none as silent before all have arrived that waited', async (t) => {
  const { clock, reports, start, outcomes, toNextMiddle, finish } = setUp({ graceMs: 2_000 });
  const { scheduler } = start('a');
  await clock.advance(WAIT_MS + 3_000);
  const before = outcomes().length;
  await toNextMiddle(scheduler);
  await clock.advance(1_000);
  const closed = outcomes().length;
  t.ok(closed > before);
  reports.isAway = true;
  const slot = scheduler.nextSlot(1)!;
  await clock.advance(slot + 3_500 - clock.wallMs());
  t.equal(outcomes().length, closed, 'it cannot be known');
  reports.isAway = false;
  await clock.advance(1_300);
  t.equal(outcomes().length, closed, 'a report may wait');
  reports.report(1, { receivedMs: slot + 1_500 });
  await clock.advance(1_000);
  t.equal(outcomes().at(-1), 'up', 'it was received in time');
  t.strictSame(await finish(), []);
  await Promise.all([scheduler.stop(), clock.advance(10_000)]);
});

test('a next owner goes on with open slots, and blames nobody for a time in which perhaps nobody could report', async (t) => {
  const { clock, reports, start, outcomes, counted, toNextMiddle, finish } = setUp();
  const a = start('a');
  await clock.advance(WAIT_MS);
  await toNextMiddle(a.scheduler);
  reports.report(1);
  await clock.advance(500);
  await toNextMiddle(a.scheduler);
  a.kill();
  await clock.advance(1_000);
  reports.report(1, { message: 'taken by another process' });
  await clock.advance(2 * PERIOD_MS);
  const b = start('b');
  await clock.advance(WAIT_MS + 2_000);
  const found = outcomes();
  t.strictSame(found.slice(0, 3), ['up', 'up', 'scheduler_down'], found.join());
  for (let n = 0; n < 3; n++) {
    reports.report(1);
    await clock.advance(PERIOD_MS);
  }
  const slots = counted().map(([slot]) => slot);
  t.ok(slots.every((slot, index) => index === 0 || slot === slots[index - 1]! + PERIOD_MS));
  t.notOk(outcomes().includes('silent'), outcomes().join());
  t.strictSame(await finish(), []);
  await Promise.all([b.scheduler.stop(), clock.advance(10_000)]);
});

test('a stop in order leaves open slots to the next owner', async (t) => {
  const { clock, reports, start, outcomes, toNextMiddle, finish } = setUp();
  const a = start('a');
  await clock.advance(WAIT_MS);
  await toNextMiddle(a.scheduler);
  const before = outcomes().length;
  await Promise.all([a.scheduler.stop(), clock.advance(2_000)]);
  t.equal(outcomes().length, before, 'nothing was said about it');
  reports.report(1);
  const b = start('b');
  await clock.advance(1_000);
  t.equal(outcomes().at(-1), 'up');
  t.equal(outcomes().length, before + 1);
  t.strictSame(await finish(), []);
  await Promise.all([b.scheduler.stop(), clock.advance(10_000)]);
});

test('slots of a cron expression: a report in time, one that is late, none', async (t) => {
  const timing = { periodMs: null, cron: '* * * * *', cronTimezone: 'UTC' };
  const { clock, reports, start, outcomes, finish } = setUp({ graceMs: 20_000, timing });
  const { scheduler } = start('a');
  await clock.advance(500);
  const slot = scheduler.nextSlot(1)!;
  t.equal(slot % 60_000, 0);
  await clock.advance(slot + 19_000 - clock.wallMs());
  reports.report(1);
  await clock.advance(1_500);
  t.strictSame(outcomes(), ['up']);
  await clock.advance(slot + 60_000 + 21_000 - clock.wallMs());
  reports.report(1, { kind: 'degraded' });
  await clock.advance(60_000);
  t.strictSame(outcomes(), ['up', 'silent'], 'the late one counts for nothing');
  await clock.advance(30_000);
  t.strictSame(outcomes(), ['up', 'silent', 'silent']);
  t.strictSame(await finish(), []);
  await Promise.all([scheduler.stop(), clock.advance(10_000)]);
});

test('an absence of the database that is over when the next reading begins is noticed all the same', async (t) => {
  const { clock, reports, start, outcomes, toNextMiddle, finish } = setUp({ graceMs: 2_000 });
  const { scheduler } = start('a');
  await clock.advance(WAIT_MS);
  await toNextMiddle(scheduler);
  await clock.advance(1_000);
  const before = outcomes().length;
  const slot = scheduler.nextSlot(1)!;
  // It was away before the deadline; a report came meanwhile, and waits.
  await clock.advance(slot + 4_500 - clock.wallMs());
  reports.returned();
  await clock.advance(2_700);
  t.equal(outcomes().length, before, 'not closed after the usual time');
  reports.report(1, { receivedMs: slot + 1_900 });
  await clock.advance(100);
  t.strictSame(outcomes().slice(before), ['up']);
  t.strictSame(await finish(), []);
  await Promise.all([scheduler.stop(), clock.advance(10_000)]);
});

/** A scheduler that has got two reports, a second into the next slot; `cut` takes the database away from it, or gives it back. */
async function reportTwice({ clock, reports, start, outcomes, toNextMiddle }: ReturnType<typeof setUp>) {
  let isCut = false;
  const link: Link = { ...goodLink, fate: () => (isCut ? 'lost' : 'fine') };
  const { scheduler } = start('a', link);
  await clock.advance(WAIT_MS);
  for (let n = 0; n < 2; n++) {
    await toNextMiddle(scheduler);
    reports.report(1);
    await clock.advance(1_500);
  }
  const before = outcomes().length;
  const slot = scheduler.nextSlot(1)!;
  await clock.advance(slot + 1_000 - clock.wallMs());
  const cut = (now: boolean) => {
    isCut = now;
  };
  return { scheduler, cut, before, slot };
}

test('nobody is blamed for a time in which the database was away, even if nothing was read then', async (t) => {
  const scene = setUp();
  const { clock, reports, outcomes, finish } = scene;
  const { scheduler, cut, before, slot } = await reportTwice(scene);
  const { reads } = reports;
  cut(true);
  await clock.advance(WAIT_MS + 3_000);
  cut(false);
  await clock.advance(slot + PERIOD_MS - 500 - clock.wallMs());
  t.equal(reports.reads, reads, 'nothing was read');
  await clock.advance(PERIOD_MS);
  t.equal(outcomes()[before], 'scheduler_down');
  t.strictSame(await finish(), []);
  await Promise.all([scheduler.stop(), clock.advance(10_000)]);
});

test('a short absence of the database blames programs no less, however late the next reading is', async (t) => {
  const scene = setUp();
  const { clock, reports, outcomes, finish } = scene;
  const { scheduler, cut, before, slot } = await reportTwice(scene);
  cut(true);
  await clock.advance(1_500);
  cut(false);
  const { reads } = reports;
  await clock.advance(slot + PERIOD_MS - 500 - clock.wallMs());
  t.equal(reports.reads, reads, 'nothing is read until the deadline');
  await clock.advance(PERIOD_MS);
  t.equal(outcomes()[before], 'silent');
  t.strictSame(await finish(), []);
  await Promise.all([scheduler.stop(), clock.advance(10_000)]);
});

test('who cannot renew its lease closes no slot when that has run out; its next owner does', async (t) => {
  const { clock, reports, start, counted, toNextMiddle, finish } = setUp();
  let isCut = false;
  const link: Link = { ...goodLink, fate: () => (isCut ? 'lost' : 'fine') };
  const a = start('a', link);
  await clock.advance(WAIT_MS);
  await toNextMiddle(a.scheduler);
  reports.report(1);
  await clock.advance(1_500);
  const before = counted().length;
  isCut = true;
  await toNextMiddle(a.scheduler);
  reports.report(1);
  await clock.advance(1_500);
  t.equal(counted().length, before, 'reports are read, but whether it is the owner is not known');
  const b = start('b');
  await clock.advance(2_000);
  t.match(counted().at(-1), [Number, { outcome: 'up', epoch: 2 }]);
  isCut = false;
  t.strictSame(await finish(), []);
  await Promise.all([a.scheduler.stop(), b.scheduler.stop(), clock.advance(10_000)]);
});

for (const [what, withReport] of [
  ['with a report', true],
  ['as silent', false],
] as const) {
  test(`an owner that is killed in the moment in which it closes a slot ${what}`, async (t) => {
    for (let ms = -2; ms <= 4; ms++) await killAt(t, ms, withReport);
  });
}

async function killAt(t: Test, ms: number, withReport: boolean): Promise<void> {
  const { clock, reports, start, outcomes, counted, toNextMiddle, finish } = setUp({ graceMs: 2_000 });
  const a = start('a');
  await clock.advance(WAIT_MS);
  await toNextMiddle(a.scheduler);
  await clock.advance(1_000);
  const slot = a.scheduler.nextSlot(1)!;
  await clock.advance(slot + 1_000 - clock.wallMs());
  const endsMs = withReport ? slot + 1_000 : slot + 2_000 + NOTICED_MS;
  if (ms < 0) await clock.advance(endsMs + ms - clock.wallMs());
  if (withReport) reports.report(1);
  await clock.advance(Math.max(0, endsMs + ms - clock.wallMs()));
  a.kill();
  const b = start('b');
  await clock.advance(4 * PERIOD_MS);
  const own = counted().findIndex(([each]) => each === slot);
  const outcome = outcomes()[own];
  if (withReport) t.equal(outcome, 'up', `${ms} ms`);
  else t.match(outcome, /^(silent|scheduler_down)$/, `${ms} ms`);
  t.strictSame(await finish(), [], `${ms} ms`);
  await Promise.all([b.scheduler.stop(), clock.advance(10_000)]);
}
