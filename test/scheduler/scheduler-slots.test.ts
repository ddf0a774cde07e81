import { test } from 'tap';
import { publisherDefaults } from '../helpers/defaults.ts';
import { countLog, differences } from './support/counting.ts';
import { type Site, startProcess } from './support/process.ts';
import { setUp } from './support/set-up.ts';

test('too many slow checks: what finds no room in time is missed(overload), never late and never overlapping', async (t) => {
  const { clock, world, log, tally, finish, stop } = setUp(20);
  let underWay = 0;
  let most = 0;
  const site: Site = () => {
    most = Math.max(most, ++underWay);
    clock.after(400, () => underWay--);
    return { tookMs: 400 };
  };
  const a = startProcess({ world, log, name: 'a', site, concurrency: 4 });
  await clock.advance(20_000);
  t.equal(most, 4);
  t.match(a.scheduler.stats(), { inFlight: 4 });
  t.ok(a.scheduler.stats().missed.overload > 150);
  await finish();
  t.strictSame(Object.keys(tally()).sort(), ['overload', 'up']);
  t.strictSame(differences(world.spans, countLog(log)), []);
  await stop(a);
});

test('one slow host holds up nobody else', async (t) => {
  const { clock, world, log, tally, finish, stop } = setUp(0);
  for (let jobId = 1; jobId <= 20; jobId++) {
    world.setJob(jobId, {
      options: { uri: jobId <= 10 ? `http://slow.example:${8000 + jobId}/` : `http://host-${jobId}.example/` },
    });
  }
  const site: Site = ({ jobId }) => ({ tookMs: jobId <= 10 ? 450 : 5 });
  const a = startProcess({ world, log, name: 'a', site, concurrencyPerHost: 2, concurrency: 5 });
  await clock.advance(20_000);
  await finish();
  for (let jobId = 11; jobId <= 20; jobId++) t.strictSame(Object.keys(tally(jobId)), ['up'], `job ${jobId}`);
  t.ok((tally().overload ?? 0) > 50);
  t.strictSame(differences(world.spans, countLog(log)), []);
  await stop(a);
});

test('an answer whose events we noticed late counts, with a note', async (t) => {
  const { clock, world, log, lines, finish, stop } = setUp(1);
  let heldMs = 0;
  const a = startProcess({ world, log, name: 'a', site: () => ({ tookMs: 300, result: { heldMs } }) });
  await clock.advance(4000);
  heldMs = 99;
  await clock.advance(4000);
  const { length } = lines();
  heldMs = 620;
  await clock.advance(1000);
  heldMs = 0;
  await finish();
  const noted = lines().filter(({ detail }) => detail !== undefined);
  t.ok(length > 0);
  t.equal(noted.length, 1);
  t.match(noted[0], { outcome: 'up', detail: 'our own stalls of 620 ms are left out' });
  await stop(a);
});

test('a try that a stall of our own left undecided says nothing about the site', async (t) => {
  const { clock, world, log, tally, finish, stop } = setUp(0);
  world.setJob(1, { periodMs: 5000, timeoutMs: 1000 });
  const stalled = { outcome: 'missed', reason: 'stalled', status: null, responseTime: null } as const;
  let isStalled = false;
  const site: Site = () => (isStalled ? { result: stalled, tookMs: 900 } : { tookMs: 3000 });
  const a = startProcess({ world, log, name: 'a', site });
  await clock.advance(15_500);
  t.strictSame(tally(), { timeout: 3 }, 'a site that is really slow is down');
  t.equal(a.scheduler.stats().stallProblem, null);
  isStalled = true;
  await clock.advance(15_000);
  t.strictSame(tally(), { timeout: 3, stalled: 3 });
  t.equal(a.scheduler.stats().missed.stalled, 3);
  t.match(a.scheduler.stats().stallProblem, /^50 % of the checks of the last minutes are missed \(stalled\)/);
  await finish();
  t.strictSame(differences(world.spans, countLog(log)), []);
  await stop(a);
});

test('a probe that has not ended when we come back from a stall is no defect of its own', async (t) => {
  const { clock, world, log, tally, finish, stop } = setUp(0);
  world.setJob(1, { periodMs: 5000, timeoutMs: 1000 });
  const site: Site = () => {
    clock.after(100, () => a.clock.freeze());
    clock.after(6_100, () => a.clock.thaw());
    return { ignoresTimeout: true };
  };
  const a = startProcess({ world, log, name: 'a', site });
  while (a.served.length === 0) await clock.advance(100);
  await clock.advance(6_200 + publisherDefaults.lingerMs);
  t.equal(tally().stalled, 1);
  t.notOk(tally().internal);
  await finish();
  t.strictSame(differences(world.spans, countLog(log)), []);
  await stop(a);
});

test('retries share the slot, and the verdict is that of the last fair try', async (t) => {
  const { clock, world, log, lines, finish, stop } = setUp(0);
  world.setJob(1, { periodMs: 4000, timeoutMs: 1000, retries: 2 });
  let tries = 0;
  let failing = 2;
  const down = { outcome: 'down', reason: 'connect', status: null, responseTime: null } as const;
  const site: Site = () => (tries++ % 4 < failing ? { result: down, tookMs: 10 } : { tookMs: 10 });
  const a = startProcess({ world, log, name: 'a', site });
  await clock.advance(4100);
  t.equal(tries, 3);
  const first = lines()[0];
  t.match(first, { outcome: 'up', attempt: 3 });
  t.ok(first.ts - first.slot > 500, 'ts is the start of the try that counts');
  failing = 4;
  await clock.advance(4000);
  t.match(lines()[1], { outcome: 'down', reason: 'connect', attempt: 3 });
  await finish();
  t.strictSame(differences(world.spans, countLog(log)), []);
  await stop(a);
});

test('a monitor that breaks its contract is missed(internal), and its job goes on', async (t) => {
  const { clock, world, log, lines, finish, stop } = setUp(3);
  const a = startProcess({
    world,
    log,
    name: 'a',
    site: ({ jobId }) => {
      if (jobId === 1) throw new Error('a defect');
      return { tookMs: jobId === 2 ? Number.POSITIVE_INFINITY : 5, ignoresTimeout: jobId === 2 };
    },
  });
  await clock.advance(10_000);
  await finish();
  t.strictSame(differences(world.spans, countLog(log)), []);
  const of = (jobId: number) => lines().filter(({ job_id: id, slots }) => id === jobId && slots !== 0);
  t.ok(of(1).length >= 9);
  for (const line of of(1)) t.match(line, { outcome: 'missed', reason: 'internal', status: null, response_time: null });
  t.match(of(2)[0], { outcome: 'missed', reason: 'internal' });
  t.ok(
    of(2)
      .slice(1)
      .every(({ outcome, reason }) => outcome === 'missed' && reason === 'overload'),
    'no second one beside it',
  );
  t.ok(of(3).every(({ outcome }) => outcome === 'up'));
  await stop(a);
});

test('a slot that cannot be checked is missed(internal), and its line says why', async (t) => {
  const { clock, world, log, lines, finish, stop } = setUp(2);
  const detail = 'secret a: it is not in VEDETTE_SECRET_A';
  const result = { outcome: 'missed' as const, reason: 'internal' as const, status: null, responseTime: null, detail };
  const a = startProcess({ world, log, name: 'a', site: ({ jobId }) => (jobId === 1 ? { result } : {}) });
  await clock.advance(10_000);
  await finish();
  t.strictSame(differences(world.spans, countLog(log)), []);
  const of = (jobId: number) => lines().filter(({ job_id: id, slots }) => id === jobId && slots !== 0);
  t.ok(of(1).length >= 9);
  for (const line of of(1)) {
    t.match(line, { outcome: 'missed', reason: 'internal', status: null, response_time: null, detail });
  }
  t.ok(of(2).every(({ outcome }) => outcome === 'up'));
  await stop(a);
});

test('the clock jumps an hour ahead, the database with it: the slots in between are one missed range, without a burst', async (t) => {
  const { clock, world, log, lines, tally, finish, stop } = setUp(10);
  const a = startProcess({ world, log, name: 'a' });
  await clock.advance(5000);
  clock.setWall(clock.wallMs() + 3_600_000);
  await clock.advance(18_000);
  const before = a.served.length;
  await clock.advance(10_000);
  const checks = a.served.length - before;
  t.ok(checks >= 95 && checks <= 110, `${checks} checks in 10 s`);
  t.ok(a.scheduler.nextSlot(1)! > a.clock.wallMs() - 1000);
  const ranges = lines().filter(({ slots }) => slots > 100);
  t.equal(ranges.length, 10);
  t.match(ranges[0], { outcome: 'missed', reason: 'scheduler_down', period: 1000 });
  await finish();
  t.strictSame(differences(world.spans, countLog(log)), []);
  t.ok(tally().scheduler_down > 35_000);
  t.ok(tally().late <= 170, 'nothing is checked until it is certain when that is');
  await stop(a);
});

test('the clock jumps ahead, cron jobs: their many lines are written in slices, and no result is lost to them', async (t) => {
  const { clock, world, log, lines, tally, finish, stop } = setUp(0);
  for (let jobId = 1; jobId <= 20; jobId++) world.setJob(jobId, { periodMs: null, cron: '*/7 * * * * *' });
  const a = startProcess({ world, log, name: 'a' });
  await clock.advance(5000);
  clock.setWall(clock.wallMs() + 2 * 3_600_000);
  await clock.advance(60_000);
  const ranges = lines().filter(({ slots, period }) => slots === 9 && period === 7000);
  t.ok(ranges.length >= 20 * 119, `${ranges.length} ranges`);
  await finish();
  t.strictSame(differences(world.spans, countLog(log)), []);
  t.ok(tally().up >= 20 * 5);
  t.equal(tally().overload, undefined);
  await stop(a);
});

test("a clock that is far from the database's: slots go on by the database's, and after a restart too", async (t) => {
  for (const skewMs of [1_800_000, -3_600_000]) {
    const { clock, world, log, tally, finish, stop } = setUp(10);
    const a = startProcess({ world, log, name: 'a' });
    await clock.advance(5000);
    a.clock.skewMs += skewMs;
    const before = a.served.length;
    await clock.advance(12_000);
    t.ok(a.served.length - before >= 115);
    t.match(a.scheduler.stats().clockProblem, /of PostgreSQL, which is followed/);
    t.ok(Math.abs((a.scheduler.nextSlot(1) as number) - clock.wallMs()) <= 1100);
    a.clock.skewMs = 0;
    await clock.advance(3000);
    t.equal(a.scheduler.stats().clockProblem, null);
    t.equal(a.served.length - before, 150);
    a.clock.skewMs = skewMs;
    a.kill();
    await clock.advance(7000);
    const b = startProcess({ world, log, name: 'b', skewMs });
    await clock.advance(10_000);
    t.ok(b.served.length >= 80, 'a clock that is wrong from the start');
    await finish();
    t.strictSame(differences(world.spans, countLog(log)), []);
    t.strictSame(Object.keys(tally()).sort(), ['scheduler_down', 'up']);
    await stop(b);
  }
});

test('all clocks were ahead for a while: what was counted is not checked again, and it is said', async (t) => {
  for (const crash of [false, true]) {
    const { clock, world, log, tally, finish, stop } = setUp(10);
    let process = startProcess({ world, log, name: 'a' });
    await clock.advance(5000);
    clock.setWall(clock.wallMs() + 120_000);
    await clock.advance(20_000);
    clock.setWall(clock.wallMs() - 120_000);
    await clock.advance(1200);
    t.match(process.scheduler.stats().clockProblem, /was put back/);
    world.setJob(99);
    if (crash) {
      await clock.advance(1500);
      process.kill();
      // The lease was given until a time that comes again.
      await clock.advance(140_000);
      process = startProcess({ world, log, name: 'b' });
    } else {
      const before = process.served.length;
      await clock.advance(100_000);
      t.equal(process.served.length, before, 'nothing is checked in vain');
      await clock.advance(40_000);
    }
    await clock.advance(10_000);
    const { length } = process.served;
    await clock.advance(10_000);
    t.ok(process.served.length - length >= 105, 'all jobs go on, the new one with them');
    t.equal(process.scheduler.stats().clockProblem, null);
    await finish();
    t.strictSame(differences(world.spans, countLog(log)), []);
    t.ok(tally(99).up > 15);
    await stop(process);
  }
});

test('a clock that was put back by little: every slot is checked, at half the pace until it is right', async (t) => {
  const { clock, world, log, tally, finish, stop } = setUp(10);
  const a = startProcess({ world, log, name: 'a' });
  await clock.advance(5000);
  clock.setWall(clock.wallMs() - 20_000);
  const before = a.served.length;
  await clock.advance(20_000);
  const checks = a.served.length - before;
  t.ok(checks >= 95 && checks <= 125, `${checks} checks in 20 s`);
  await clock.advance(40_000);
  t.ok(Math.abs((a.scheduler.nextSlot(1) as number) - clock.wallMs()) <= 3000);
  await finish();
  t.strictSame(differences(world.spans, countLog(log)), []);
  t.strictSame(Object.keys(tally()), ['up']);
  await stop(a);
});
