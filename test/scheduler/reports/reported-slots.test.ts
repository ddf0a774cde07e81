import { test } from 'tap';
import { createFakeClock } from '../../helpers/fake-clock.ts';
import { countLog, differences } from '../support/counting.ts';
import { startProcess } from '../support/process.ts';
import { Log, World } from '../support/world.ts';
import { MemoryReports, WAIT_MS } from './memory-reports.ts';

const PERIOD_MS = 10_000;

function setUp({ graceMs = PERIOD_MS } = {}) {
  const clock = createFakeClock();
  const world = new World(clock);
  const log = new Log();
  const reports = new MemoryReports(clock, graceMs);
  world.setJob(1, { tags: ['push'], periodMs: PERIOD_MS, timeoutMs: 100 });
  const start = (name: string) => startProcess({ world, log, name, leaseMs: 3000, reports: reports.port });
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
  await clock.advance(WAIT_MS);
  t.strictSame(outcomes(), ['silent']);
  reports.report(1);
  await clock.advance(1_000);
  t.strictSame(outcomes(), ['silent']);
  await toNextMiddle(scheduler);
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
