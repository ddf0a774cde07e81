import { test } from 'tap';
import { shardOf, shardSql } from '../../../src/jobs/shard.ts';
import type { Database } from '../../../src/postgres/database.ts';
import { createLeaseStore } from '../../../src/scheduler/tables/leases.ts';
import { createSpanStore, type OpenSpan } from '../../../src/scheduler/tables/spans.ts';
import { createTestDatabase } from '../../helpers/database.ts';

const LIFE = 60_000;

async function owner(database: Database, name: string) {
  const leases = createLeaseStore({ database, location: 'here', owner: name });
  await leases.join(LIFE);
  const held = await leases.acquire(64, LIFE);
  const epochs = new Map(held.map(({ shard, epoch }) => [shard, epoch]));
  return {
    leases,
    spans: createSpanStore({ database, location: 'here', owner: name }),
    epochOf: (jobId: number) => epochs.get(shardOf(jobId)) ?? 0,
  };
}

function span(jobId: number, fromSlot: number, fields: Partial<OpenSpan> = {}): OpenSpan {
  const period = { periodMs: 1000, phaseMs: 7, cron: null, cronTimezone: null };
  return { jobId, version: 1, ...period, topic: 'checks', epoch: 1, fromSlot, ...fields };
}

const rowsOf = async (database: Database) =>
  (
    await database.query(
      'SELECT job_id, version, from_slot, to_slot, slot_count FROM schedule_spans ORDER BY job_id, from_slot, version',
    )
  ).rows;

test('the shard is the same in SQL', async (t) => {
  const database = await createTestDatabase(t);
  const ids = [1, 2, 3, 63, 64, 65, 1000, 99_999, 123_456_789, 2 ** 31 - 1];
  const { rows } = await database.query<{ shard: number }>(
    `SELECT ${shardSql('id')} AS shard FROM unnest($1::integer[]) WITH ORDINALITY AS t (id, n) ORDER BY n`,
    [ids],
  );
  t.strictSame(
    rows.map(({ shard }) => shard),
    ids.map(shardOf),
  );
});

test('spans begin, change and end; every step may be repeated', async (t) => {
  const database = await createTestDatabase(t);
  const { spans, epochOf } = await owner(database, 'a');
  const epoch = epochOf(1);
  const cron = { periodMs: null, phaseMs: null, cron: '* * * * *', cronTimezone: 'Europe/Berlin' };
  const begin = [
    { jobId: 1, epoch, begin: span(1, 1007) },
    { jobId: 2, epoch: epochOf(2), begin: span(2, 60_000, cron) },
  ];
  t.same(await spans.apply(begin), new Set([1, 2]));
  t.same(await spans.apply(begin), new Set([1, 2]), 'again');
  t.same(await spans.loadOpen([shardOf(2)]), [span(2, 60_000, cron)]);
  t.strictSame(await spans.loadOpen([shardOf(3)]), []);

  const end = { jobId: 1, fromSlot: 1007, toSlot: 9007, slotCount: 9, epoch };
  const change = [{ jobId: 1, epoch, end, begin: span(1, 10_007, { version: 2 }) }];
  t.same(await spans.apply(change), new Set([1]));
  t.same(await spans.apply(change), new Set([1]), 'again');
  t.strictSame(await rowsOf(database), [
    { job_id: 1, version: 1, from_slot: 1007, to_slot: 9007, slot_count: 9 },
    { job_id: 1, version: 2, from_slot: 10_007, to_slot: null, slot_count: null },
    { job_id: 2, version: 1, from_slot: 60_000, to_slot: null, slot_count: null },
  ]);
});

test('a span that ended before its first slot may begin again at that slot', async (t) => {
  const database = await createTestDatabase(t);
  const { spans, epochOf } = await owner(database, 'a');
  const epoch = epochOf(1);
  const begin = [{ jobId: 1, epoch, begin: span(1, 5007) }];
  await spans.apply(begin);
  await spans.apply([{ jobId: 1, epoch, end: { jobId: 1, fromSlot: 5007, toSlot: 5006, slotCount: 0, epoch } }]);
  t.same(await spans.apply(begin), new Set([1]));
  t.strictSame(await rowsOf(database), [{ job_id: 1, version: 1, from_slot: 5007, to_slot: null, slot_count: null }]);
});

test('no span reaches back into an older one, and none begins beside an open one', async (t) => {
  const database = await createTestDatabase(t);
  const { spans, epochOf } = await owner(database, 'a');
  const epoch = epochOf(1);
  await spans.apply([{ jobId: 1, epoch, begin: span(1, 1007) }]);
  t.same(await spans.apply([{ jobId: 1, epoch, begin: span(1, 2007) }]), new Set(), 'beside an open one');
  const end = { jobId: 1, fromSlot: 1007, toSlot: 9007, slotCount: 9, epoch };
  t.same(await spans.apply([{ jobId: 1, epoch, end, begin: span(1, 9007, { version: 2 }) }]), new Set());
  t.same(await spans.apply([{ jobId: 1, epoch, begin: span(1, 10_007, { version: 2 }) }]), new Set([1]));
  t.equal((await rowsOf(database)).length, 2);
});

test('who has lost the lease changes nothing', async (t) => {
  const database = await createTestDatabase(t);
  const a = await owner(database, 'a');
  await a.spans.apply([{ jobId: 1, epoch: a.epochOf(1), begin: span(1, 1007) }]);
  await database.query("UPDATE shard_leases SET expires_at = clock_timestamp() - interval '1 ms'");
  const b = await owner(database, 'b');
  t.equal(b.epochOf(1), a.epochOf(1) + 1);
  const end = { jobId: 1, fromSlot: 1007, toSlot: 2007, slotCount: 2 };
  const stale = [
    { jobId: 1, epoch: a.epochOf(1), end: { ...end, epoch: a.epochOf(1) } },
    { jobId: 2, epoch: a.epochOf(2), begin: span(2, 2000) },
  ];
  t.same(await a.spans.apply(stale), new Set());
  t.strictSame(await rowsOf(database), [{ job_id: 1, version: 1, from_slot: 1007, to_slot: null, slot_count: null }]);
  t.same(await b.spans.apply([{ jobId: 1, epoch: b.epochOf(1), end: { ...end, epoch: b.epochOf(1) } }]), new Set([1]));
});

test('a takeover waits for a change under way and sees it', async (t) => {
  const database = await createTestDatabase(t);
  const a = await owner(database, 'a');
  await database.query("UPDATE shard_leases SET expires_at = clock_timestamp() - interval '1 ms'");
  const b = createLeaseStore({ database, location: 'here', owner: 'b' });
  let taken = 0;
  await database.transaction(async (tx) => {
    await tx.query('SELECT FROM shard_leases WHERE shard = $1 FOR SHARE', [shardOf(1)]);
    taken = (await b.acquire(64, LIFE)).length;
  });
  t.equal(taken, 63, 'a locked shard is left for the next try');
  t.same(await a.spans.apply([{ jobId: 1, epoch: a.epochOf(1), begin: span(1, 1007) }]), new Set([1]));
  t.equal((await b.acquire(64, LIFE)).length, 1);
  t.equal((await a.spans.loadOpen([shardOf(1)])).length, 1);
});

test('a hundred thousand jobs begin within seconds', async (t) => {
  const database = await createTestDatabase(t);
  const { spans, epochOf } = await owner(database, 'a');
  const startedAt = performance.now();
  for (let from = 1; from <= 100_000; from += 5000) {
    const changes = Array.from({ length: 5000 }, (_, index) => {
      const jobId = from + index;
      return { jobId, epoch: epochOf(jobId), begin: span(jobId, 60_000 + jobId) };
    });
    t.equal((await spans.apply(changes)).size, 5000);
  }
  const tookMs = performance.now() - startedAt;
  t.comment(`${Math.round(tookMs)} ms`);
  t.ok(tookMs < 20_000);
});
