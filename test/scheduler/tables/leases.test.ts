import { test } from 'tap';
import { SHARDS } from '../../../src/jobs/shard.ts';
import type { Database } from '../../../src/postgres/database.ts';
import { createLeaseStore, type LeaseStore } from '../../../src/scheduler/tables/leases.ts';
import { createTestDatabase } from '../../helpers/database.ts';
import { until } from '../../helpers/until.ts';

const LIFE = 60_000;
const store = (database: Database, owner: string, location = 'here') => createLeaseStore({ database, owner, location });
const expire = (database: Database, owner: string) =>
  database.query("UPDATE shard_leases SET expires_at = clock_timestamp() - interval '1 ms' WHERE owner = $1", [owner]);
const renewAll = (leases: LeaseStore, held: Array<{ shard: number; epoch: number }>, progress: number) =>
  leases.renew(
    held.map((lease) => ({ ...lease, progress })),
    LIFE,
  );

test('a shard has one owner, and its epoch grows with every change of owner', async (t) => {
  const database = await createTestDatabase(t);
  const [a, b] = [store(database, 'a'), store(database, 'b')];
  const { nowMs, ...alone } = await a.join(LIFE);
  t.same(alone, { members: ['a'], free: SHARDS, nextExpiryMs: null });
  t.ok(Math.abs(nowMs - Date.now()) < 5000, "with the database's clock");
  const first = await a.acquire(40, LIFE);
  t.equal(first.length, 40);
  t.ok(first.every(({ epoch, progress, clean }) => epoch === 1 && progress === null && clean));
  const sharing = await b.join(LIFE);
  t.strictSame(sharing.members, ['a', 'b']);
  t.equal(sharing.free, 24);
  t.ok(sharing.nextExpiryMs! > LIFE - 10_000 && sharing.nextExpiryMs! <= LIFE);
  t.equal((await b.acquire(SHARDS, LIFE)).length, 24, 'b gets what is left');
  t.equal((await b.acquire(SHARDS, LIFE)).length, 0);

  t.equal((await renewAll(a, first, 5000)).held.size, 40);
  t.equal((await renewAll(a, first, 4000)).held.size, 40);
  await expire(database, 'a');
  t.equal((await renewAll(a, first.slice(0, 10), 4000)).held.size, 10, 'what ran out and nobody took can be renewed');
  const taken = await b.acquire(SHARDS, LIFE);
  t.equal(taken.length, 30);
  t.ok(
    taken.every(({ epoch, progress, clean }) => epoch === 2 && progress === 5000 && !clean),
    'progress never goes back',
  );
  t.ok(taken.every(({ silentMs }) => silentMs >= LIFE && silentMs < LIFE + 10_000));
  t.ok(first.every(({ silentMs }) => silentMs === 0));
  const { held, nowMs: later } = await renewAll(a, first, 9999);
  t.ok((later as number) >= nowMs);
  t.equal((await renewAll(a, taken, 9999)).nowMs, null, 'who holds nothing hears nothing');
  t.strictSame(
    [...held].sort(),
    first
      .slice(0, 10)
      .map(({ shard }) => shard)
      .sort(),
    'a hears what it lost',
  );
  const { rows } = await database.query<{ max: number }>('SELECT max(progress) FROM shard_leases WHERE owner = $1', [
    'b',
  ]);
  t.equal(rows[0].max, 5000, 'and did not touch it');
});

test('a release says whether it was in peace, and others hear of it', async (t) => {
  const database = await createTestDatabase(t);
  const [a, b, elsewhere] = [store(database, 'a'), store(database, 'b'), store(database, 'c', 'there')];
  let heard = 0;
  let heardElsewhere = 0;
  const stops = [await b.watch(() => heard++), await elsewhere.watch(() => heardElsewhere++)];
  await a.join(LIFE);
  const held = await a.acquire(4, LIFE);
  await a.release(held.slice(0, 3).map((lease, index) => ({ ...lease, progress: 100 + index, clean: index !== 1 })));
  await a.release([{ ...held[3], epoch: 7, progress: 1, clean: true }]);
  const got = await b.acquire(SHARDS, LIFE);
  t.notOk(
    got.some(({ shard }) => shard === held[3].shard),
    'another epoch releases nothing',
  );
  const summary = got.slice(0, 3).map(({ epoch, progress, clean }) => ({ epoch, progress, clean }));
  t.strictSame(summary, [
    { epoch: 2, progress: 100, clean: true },
    { epoch: 2, progress: 101, clean: false },
    { epoch: 2, progress: 102, clean: true },
  ]);
  await a.leave();
  t.strictSame((await b.join(LIFE)).members, ['b']);
  await until('four notifications', async () => heard >= 4);
  for (const stop of stops) await stop();
  t.equal(heard, 4, 'join, two releases and leave of a; not its own');
  t.equal(heardElsewhere, 0, 'another location is another matter');
});

test('many schedulers that acquire at a time get each shard once', async (t) => {
  const database = await createTestDatabase(t);
  const stores = ['a', 'b', 'c', 'd'].map((owner) => store(database, owner));
  await Promise.all(stores.map((leases) => leases.join(LIFE)));
  const got = (await Promise.all(stores.map((leases) => leases.acquire(20, LIFE)))).flat();
  t.equal(new Set(got.map(({ shard }) => shard)).size, got.length);
  const rest = await stores[0].acquire(SHARDS, LIFE);
  t.equal(got.length + rest.length, SHARDS);
});
