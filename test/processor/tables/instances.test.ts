import { test } from 'tap';
import { silentLogger } from '../../../src/core/logger.ts';
import { startHeartbeat } from '../../../src/installation/heartbeat.ts';
import { deleteDeadInstances, readLiveInstances } from '../../../src/installation/instances.ts';
import { createTestDatabase } from '../../helpers/database.ts';
import { createFakeClock } from '../../helpers/fake-clock.ts';

test('a process says that it lives, and is gone when it stops or falls silent', async (t) => {
  const database = await createTestDatabase(t);
  const clock = createFakeClock();
  let consumed = 1;
  const base = { database, logger: silentLogger, clock, location: 'default', version: '1.2.3', isPublic: false };
  const one = startHeartbeat({ ...base, instanceId: 'one', roles: ['api', 'processor'], stats: () => ({ consumed }) });
  const two = startHeartbeat({ ...base, instanceId: 'two', roles: ['scheduler'], stats: () => ({}) });
  await Promise.all([one.beat(), two.beat()]);
  t.match(await readLiveInstances(database), [
    { instanceId: 'one', roles: ['api', 'processor'], location: 'default', version: '1.2.3', stats: { consumed: 1 } },
    { instanceId: 'two', roles: ['scheduler'] },
  ]);
  consumed = 2;
  await one.beat();
  const [{ stats, startedAt, seenAt }] = await readLiveInstances(database);
  t.strictSame(stats, { consumed: 2 });
  t.ok(startedAt <= seenAt);
  await two.stop();
  t.match(await readLiveInstances(database), [{ instanceId: 'one' }]);
  await database.query("UPDATE instances SET seen_at = now() - interval '11 s'");
  t.strictSame(await readLiveInstances(database), []);
  t.equal(await deleteDeadInstances(database, 60_000), 0);
  t.equal(await deleteDeadInstances(database, 5_000), 1);
  await one.stop();
});

test('it beats every two seconds', async (t) => {
  const database = await createTestDatabase(t);
  const clock = createFakeClock();
  let beats = 0;
  const stats = () => ({ beat: ++beats });
  const base = { database, logger: silentLogger, clock, location: 'default', version: '1', isPublic: false };
  const heartbeat = startHeartbeat({ ...base, instanceId: 'one', roles: [], stats });
  for (const expected of [1, 2, 3]) {
    while (clock.pending === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    t.equal(beats, expected);
    await clock.advance(2_000);
  }
  await heartbeat.stop();
  t.equal(clock.pending, 0);
});
