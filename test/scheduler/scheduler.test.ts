import { test } from 'tap';
import { createFakeClock } from '../helpers/fake-clock.ts';
import { countLog, differences } from './support/counting.ts';
import { startProcess } from './support/process.ts';
import { Log, World } from './support/world.ts';

function setUp() {
  const clock = createFakeClock();
  return { clock, world: new World(clock), log: new Log() };
}

/** Ends all jobs, so that every span is closed, and waits for it. */
async function finish(world: World): Promise<void> {
  for (const jobId of world.jobIds) world.setJob(jobId, { running: false });
  await world.clock.advance(15_000);
}

test('each slot is checked once and counted once', async (t) => {
  const { clock, world, log } = setUp();
  for (let jobId = 1; jobId <= 20; jobId++) world.setJob(jobId);
  const { scheduler, served } = startProcess({ world, log, name: 'a' });
  await clock.advance(10_000);
  t.equal(scheduler.stats().running, 20);
  t.equal(scheduler.stats().shards, 64);
  t.ok(served.length >= 180 && served.length <= 200, `${served.length} checks`);
  t.equal(new Set(served).size, served.length);
  const next = scheduler.nextSlot(3)!;
  t.ok(next > clock.wallMs() - 100 && next <= clock.wallMs() + 1000);
  await finish(world);
  t.equal(scheduler.stats().running, 0);
  t.equal(scheduler.nextSlot(3), null);
  const counted = countLog(log);
  t.strictSame(differences(world.spans, counted), []);
  for (const slots of counted.values()) for (const { outcome } of slots.values()) t.equal(outcome, 'up');
  await Promise.all([scheduler.stop(), clock.advance(10_000)]);
});

test('stop gives the leases back in peace, and the next owner misses only what was due meanwhile', async (t) => {
  const { clock, world, log } = setUp();
  for (let jobId = 1; jobId <= 20; jobId++) world.setJob(jobId);
  const a = startProcess({ world, log, name: 'a', lateLimitMs: 100 });
  await clock.advance(5000);
  await Promise.all([a.scheduler.stop(), clock.advance(2000)]);
  t.ok(world.leases.every(({ owner, expiresAt }) => owner === null && expiresAt === null));
  await clock.advance(3000);
  const b = startProcess({ world, log, name: 'b', lateLimitMs: 100 });
  await clock.advance(5000);
  await finish(world);
  const counted = countLog(log);
  t.strictSame(differences(world.spans, counted), []);
  const reasons = [...counted.values()].flatMap((slots) => [...slots.values()].map(({ reason }) => reason ?? 'up'));
  t.ok(
    reasons.every((reason) => reason === 'up' || reason === 'scheduler_down'),
    [...new Set(reasons)].join(),
  );
  const down = reasons.filter((reason) => reason === 'scheduler_down').length;
  t.ok(down >= 20 * 4 && down <= 20 * 6, `${down} missed`);
  await Promise.all([b.scheduler.stop(), clock.advance(10_000)]);
});

test('a killed scheduler is followed within seconds, and nothing is counted twice', async (t) => {
  const { clock, world, log } = setUp();
  for (let jobId = 1; jobId <= 20; jobId++) world.setJob(jobId);
  const a = startProcess({ world, log, name: 'a', leaseMs: 3000 });
  await clock.advance(2000);
  const b = startProcess({ world, log, name: 'b', leaseMs: 3000 });
  await clock.advance(5000);
  t.equal(a.scheduler.stats().shards, 32);
  t.equal(b.scheduler.stats().shards, 32);
  a.kill();
  await clock.advance(3500);
  t.equal(b.scheduler.stats().shards, 64, 'taken over');
  await clock.advance(5000);
  await finish(world);
  t.strictSame(differences(world.spans, countLog(log)), []);
  const all = [...a.served, ...b.served];
  t.equal(new Set(all).size, all.length, 'no slot was checked by both');
  await Promise.all([b.scheduler.stop(), clock.advance(10_000)]);
});
