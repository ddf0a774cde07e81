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

test('a new definition with the same slots follows the old one without a gap', async (t) => {
  const { clock, world, log } = setUp();
  world.setJob(1);
  const { scheduler, served } = startProcess({ world, log, name: 'a' });
  await clock.advance(3000);
  for (let version = 2; version <= 6; version++) {
    world.setJob(1, { name: `version ${version}` });
    await clock.advance(1700);
  }
  await finish(world);
  t.strictSame(differences(world.spans, countLog(log)), []);
  t.strictSame(
    world.spans.map(({ version }) => version),
    [1, 2, 3, 4, 5, 6],
  );
  for (const [index, span] of world.spans.slice(1).entries()) t.equal(span.fromSlot, world.spans[index].toSlot! + 1000);
  t.equal(new Set(served).size, served.length);
  await Promise.all([scheduler.stop(), clock.advance(10_000)]);
});

test('another period, another topic, a cron expression, removal: one span ends, another begins', async (t) => {
  const { clock, world, log } = setUp();
  for (let jobId = 1; jobId <= 4; jobId++) world.setJob(jobId);
  const { scheduler } = startProcess({ world, log, name: 'a' });
  await clock.advance(5000);
  world.setJob(1, { periodMs: 3000 });
  world.setJob(2, { topic: 'other' });
  world.setJob(3, { periodMs: null, cron: '*/5 * * * * *' });
  world.setJob(4, { deleted: true });
  await clock.advance(20_000);
  t.equal(scheduler.stats().running, 3);
  t.equal(scheduler.nextSlot(4), null);
  t.equal(scheduler.nextSlot(3)! % 5000, 0);
  await finish(world);
  t.strictSame(differences(world.spans, countLog(log)), []);
  t.strictSame(
    [1, 2, 3, 4].map((jobId) => world.spans.filter((span) => span.jobId === jobId).length),
    [2, 2, 2, 1],
  );
  t.strictSame([...new Set([...log.partitions.keys()].map((key) => key.split('/')[0]))].sort(), ['checks', 'other']);
  await Promise.all([scheduler.stop(), clock.advance(10_000)]);
});

test('a job runs where it is to run, in each place for itself', async (t) => {
  const { clock, world, log } = setUp();
  const elsewhere = { world: new World(clock), log: new Log() };
  for (const { world: place } of [{ world }, elsewhere]) {
    place.setJob(1, { locations: ['here', 'there'] });
    place.setJob(2, { locations: ['there'] });
  }
  const here = startProcess({ world, log, name: 'a', location: 'here' });
  const there = startProcess({ ...elsewhere, name: 'b', location: 'there' });
  await clock.advance(5000);
  t.equal(here.scheduler.stats().running, 1);
  t.equal(there.scheduler.stats().running, 2);
  world.setJob(1, { locations: ['there'] });
  world.setJob(2, { locations: ['here', 'there'] });
  await clock.advance(3000);
  t.equal(here.scheduler.nextSlot(1), null);
  t.ok(here.scheduler.nextSlot(2));
  await finish(world);
  t.strictSame(differences(world.spans, countLog(log)), []);
  await Promise.all([here.scheduler.stop(), there.scheduler.stop(), clock.advance(10_000)]);
});

test('jobs stopped and started in quick succession', async (t) => {
  const { clock, world, log } = setUp();
  for (let jobId = 1; jobId <= 5; jobId++) world.setJob(jobId, { periodMs: jobId === 5 ? 3_600_000 : 1000 });
  const { scheduler } = startProcess({ world, log, name: 'a' });
  await clock.advance(2000);
  for (let turn = 0; turn < 40; turn++) {
    for (let jobId = 1; jobId <= 5; jobId++) world.setJob(jobId, { running: (turn + jobId) % 2 === 0 });
    await clock.advance(turn * 7);
  }
  for (let jobId = 1; jobId <= 5; jobId++) world.setJob(jobId, { running: true });
  await clock.advance(3000);
  t.equal(scheduler.stats().running, 5);
  await finish(world);
  t.strictSame(differences(world.spans, countLog(log)), []);
  await Promise.all([scheduler.stop(), clock.advance(10_000)]);
});

test('the values of a check are published with its result', async (t) => {
  const { clock, world, log } = setUp();
  world.setJob(1);
  const { scheduler } = startProcess({
    world,
    log,
    name: 'a',
    site: () => ({ result: { values: { days_left: 12.5 } } }),
  });
  await clock.advance(5_000);
  const lines = [...log.partitions.values()].flat().map((line) => JSON.parse(line));
  const checked = lines.filter(({ outcome }) => outcome === 'up');
  t.ok(checked.length >= 3, `${checked.length} checks`);
  for (const { values } of checked) t.strictSame(values, { days_left: 12.5 });
  await Promise.all([scheduler.stop(), clock.advance(10_000)]);
});
