import { test } from 'tap';
import { countLog, differences } from './support/counting.ts';
import { startProcess } from './support/process.ts';
import { setUp, switchedLink } from './support/set-up.ts';

test('without its database a scheduler goes on; when it hears of a successor it stops at once', async (t) => {
  const { clock, world, log, finish, stop } = setUp(20);
  const link = switchedLink();
  const a = startProcess({ world, log, name: 'a', leaseMs: 3000, databaseLink: link });
  await clock.advance(3000);
  link.up = false;
  await clock.advance(10_000);
  t.ok(a.scheduler.stats().isolated);
  const alone = a.served.length;
  t.ok(alone >= 20 * 12, 'it went on checking');
  const b = startProcess({ world, log, name: 'b', leaseMs: 3000 });
  await clock.advance(5000);
  t.equal(b.scheduler.stats().shards, 64);
  t.ok(b.served.length >= 20 * 4);
  t.ok(a.served.length > alone, 'the one without a database knows nothing of it');
  link.up = true;
  await clock.advance(1500);
  t.equal(a.scheduler.stats().running + b.scheduler.stats().running, 20, 'now it does');
  await finish();
  t.strictSame(differences(world.spans, countLog(log)), []);
  await stop(a);
  await stop(b);
});

test('a job stopped while its scheduler had no database: what that one still does is not counted', async (t) => {
  const { clock, world, log, finish, stop } = setUp(8);
  // Of these no slot lies in the gap: only a fence keeps a predecessor out.
  for (let jobId = 9; jobId <= 12; jobId++) world.setJob(jobId, { periodMs: 19_000 });
  const link = switchedLink();
  const a = startProcess({ world, log, name: 'a', leaseMs: 3000, databaseLink: link });
  await clock.advance(3500);
  link.up = false;
  await clock.advance(4000);
  // What the successor says comes late, so that the predecessor goes on being counted until then.
  const slowLog = { ...switchedLink(), delay: 450 };
  const b = startProcess({ world, log, name: 'b', leaseMs: 3000, logLink: slowLog });
  for (const jobId of [1, 2, 3, 4, 9, 10]) world.setJob(jobId, { running: false });
  for (let jobId = 5; jobId <= 6; jobId++) world.setJob(jobId, { periodMs: 2000 });
  await clock.advance(25_000);
  t.equal(b.scheduler.stats().running, 6);
  t.ok(a.scheduler.stats().running === 12 && a.served.length > 8 * 30, 'a has heard nothing of it');
  link.up = true;
  await finish();
  t.strictSame(differences(world.spans, countLog(log)), []);
  await stop(a);
  await stop(b);
});

test('a process that stood still longer than its lease checks nothing before it has asked', async (t) => {
  const { clock, world, log, finish, stop } = setUp(20);
  const a = startProcess({ world, log, name: 'a', leaseMs: 3000 });
  await clock.advance(5000);
  a.clock.freeze();
  const before = a.served.length;
  const b = startProcess({ world, log, name: 'b', leaseMs: 3000 });
  await clock.advance(10_000);
  t.equal(b.scheduler.stats().shards, 64);
  a.clock.thaw();
  await clock.advance(30);
  t.equal(a.served.length, before);
  await clock.advance(8000);
  t.equal(a.scheduler.stats().shards, 32, 'it takes part again');
  t.equal(b.scheduler.stats().shards, 32);
  t.ok(a.scheduler.stats().stalls.maxMs > 9000);
  await finish();
  t.strictSame(differences(world.spans, countLog(log)), []);
  const all = [...a.served, ...b.served];
  t.equal(new Set(all).size, all.length, 'no slot was checked twice');
  await stop(a);
  await stop(b);
});

test('a log that is away for long: memory stays small, and every slot is accounted for afterwards', async (t) => {
  const { clock, world, log, lines, tally, finish, stop } = setUp(20);
  const link = switchedLink();
  const a = startProcess({ world, log, name: 'a', logLink: link, maxQueueBytes: 20_000 });
  await clock.advance(5000);
  link.up = false;
  await clock.advance(600_000);
  const { queuedBytes, queuedResults, failingSince } = a.publisher.stats();
  t.ok(queuedBytes < 21_000 && queuedResults < 200 && failingSince, `${queuedBytes} bytes wait`);
  const checks = a.served.length;
  t.ok(checks < 20 * 20, 'what cannot be published is not checked');
  link.up = true;
  await clock.advance(20_000);
  t.ok(a.served.length > checks + 20 * 5, 'checks go on');
  await finish();
  t.strictSame(differences(world.spans, countLog(log)), []);
  const { up = 0, overload = 0, ...others } = tally();
  t.strictSame(others, {});
  t.ok(overload > 20 * 500, `${overload} missed`);
  t.ok(up > 20 * 10);
  const ranges = lines().filter(({ outcome }) => outcome === 'missed').length;
  t.ok(ranges < 20 * 5, `in ${ranges} lines`);
  await stop(a);
});

test('checks under way are aborted when the grace is over, and their slots are missed', async (t) => {
  const { clock, world, log, tally, finish } = setUp(0);
  for (let jobId = 1; jobId <= 10; jobId++) world.setJob(jobId, { periodMs: 20_000, timeoutMs: 15_000 });
  const site = () => ({ tookMs: 14_000 });
  const a = startProcess({ world, log, name: 'a', site, stopGraceMs: 500, lateLimitMs: 10 });
  await clock.advance(20_500);
  const { inFlight } = a.scheduler.stats();
  t.ok(inFlight > 3);
  const startedAt = clock.monotonicMs();
  let stoppedAt = 0;
  void a.scheduler.stop().then(() => {
    stoppedAt = clock.monotonicMs();
  });
  await clock.advance(3000);
  t.ok(stoppedAt > 0 && stoppedAt - startedAt < 1000, `${stoppedAt - startedAt} ms`);
  t.equal(tally().stopped, inFlight);
  t.ok(world.leases.every(({ owner, expiresAt }) => owner === null && expiresAt === null));
  const b = startProcess({ world, log, name: 'b', lateLimitMs: 10 });
  await clock.advance(1000);
  await finish();
  t.strictSame(differences(world.spans, countLog(log)), []);
  await Promise.all([b.scheduler.stop(), clock.advance(5000)]);
});

test('a restart within the grace of lateness misses nothing', async (t) => {
  const { clock, world, log, tally, finish, stop } = setUp(0);
  for (let jobId = 1; jobId <= 50; jobId++) world.setJob(jobId, { periodMs: 10_000 });
  const a = startProcess({ world, log, name: 'a' });
  await clock.advance(12_000);
  void a.scheduler.stop();
  await clock.advance(1000);
  const b = startProcess({ world, log, name: 'b' });
  await clock.advance(12_000);
  t.strictSame(Object.keys(tally()), ['up']);
  await finish();
  t.strictSame(differences(world.spans, countLog(log)), []);
  await stop(b);
});

test('three schedulers share evenly, and handing over misses nothing', async (t) => {
  const { clock, world, log, tally, finish, stop } = setUp(0);
  for (let jobId = 1; jobId <= 60; jobId++) world.setJob(jobId, { periodMs: 5000 });
  const a = startProcess({ world, log, name: 'a' });
  await clock.advance(7000);
  const b = startProcess({ world, log, name: 'b' });
  await clock.advance(7000);
  const c = startProcess({ world, log, name: 'c' });
  await clock.advance(7000);
  const shares = () => [a, b, c].map(({ scheduler }) => scheduler.stats().shards).sort();
  t.strictSame(shares(), [21, 21, 22]);
  await stop(b);
  t.strictSame(shares(), [0, 32, 32]);
  await clock.advance(7000);
  t.strictSame(Object.keys(tally()), ['up']);
  await finish();
  t.strictSame(differences(world.spans, countLog(log)), []);
  const all = [a, b, c].flatMap(({ served }) => served);
  t.equal(new Set(all).size, all.length);
  await stop(a);
  await stop(c);
});
