import { test } from 'tap';
import { GroupMembership } from '../../../src/streaming/embedded/group.ts';
import { EmbeddedLog } from '../../../src/streaming/embedded/log.ts';
import { createTestDatabase } from '../../helpers/database.ts';
import { until } from '../../helpers/until.ts';

test('a steady member renews without waiting for others; what changes is seen with the next beat', async (t) => {
  const database = await createTestDatabase(t);
  await new EmbeddedLog(database).createTopics([{ topic: 'checks', partitions: 4 }]);
  const join = (member: string) => new GroupMembership(database, 'processors', member, ['checks'], 1_000);
  const one = join('one');
  t.equal((await one.beat(true)).owned.length, 4);
  const leases = async () => {
    const { rows } = await database.query<{ at: number }>(
      'SELECT (extract(epoch FROM min(expires_at)) * 1000)::float8 AS at FROM stream_leases',
    );
    return rows[0]?.at ?? 0;
  };
  const before = await leases();
  await database.transaction(async (tx) => {
    const name = `vedette group ${database.schema} processors`;
    await tx.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [name]);
    t.match(await one.beat(true), { owned: { length: 4 }, excess: [], missing: [] });
  });
  t.ok((await leases()) > before, 'they are renewed');
  t.equal((await one.beat(true)).isAlone, true);

  const two = join('two');
  t.equal((await two.beat(true)).owned.length, 0, 'nothing is free yet');
  const { excess, isAlone } = await one.beat(true);
  t.equal(excess.length, 2, 'the share of one is smaller now');
  t.equal(isAlone, false);
  await one.release(excess);
  t.equal((await two.beat(true)).owned.length, 2);

  // Two falls silent: its membership and leases run out.
  await until('one has all', async () => (await one.beat(true)).owned.length === 4, 5_000);
  t.equal((await two.beat(false)).owned.length, 0, 'and two has none when it is back');
});
