import { test } from 'tap';
import { systemClock } from '../../src/core/clock.ts';
import { reset } from '../../src/installation/reset.ts';
import { watchResets } from '../../src/installation/resets.ts';
import { toJob } from '../../src/jobs/mapping.ts';
import { createJobStore } from '../../src/jobs/postgres-store.ts';
import { loadMigrations } from '../../src/postgres/migrate.ts';
import { claimPartitions } from '../../src/processor/tables/offsets.ts';
import { createLeaseStore } from '../../src/scheduler/tables/leases.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { until } from '../helpers/until.ts';
import { insertProgress } from '../stats/rows.ts';

test('job ids go on over a reset, and pass those of foreign series', async (t) => {
  const database = await createTestDatabase(t);
  const store = createJobStore({ database, clock: systemClock, toJob, redact: (given) => given });
  const create = async () => (await store.create({ uri: 'http://127.0.0.1/' })).job.jobId;
  t.equal(await create(), 1);
  t.equal(await create(), 2);
  await insertProgress(database, { jobId: 3, slot: 1 });
  t.equal(await create(), 4, 'results of 3 would have been its own');
  await store.remove(4);
  await reset(database);
  t.equal(await create(), 5);
  await reset(database);
  await reset(database);
  t.equal(await create(), 6);
});

test('leases and offsets go on with greater epochs; the embedded stream goes on at its heads', async (t) => {
  const database = await createTestDatabase(t);
  const leases = createLeaseStore({ database, location: 'default', owner: 'one' });
  await leases.join(10_000);
  t.equal((await leases.acquire(64, 10_000)).length, 64);
  await claimPartitions(database, 'checks', [0, 1], 'one');
  await database.query("UPDATE stream_offsets SET next_offset = 7, results = 9 WHERE topic = 'checks'");
  await database.query("INSERT INTO stream_topics (topic, partitions) VALUES ('checks', 2)");
  await database.query("INSERT INTO stream_heads (topic, partition, next_offset) VALUES ('checks', 1, 12)");
  await reset(database);
  t.same((await leases.renew([{ shard: 3, epoch: 1, progress: null }], 1_000)).held.size, 0, 'nobody owns a shard');
  await leases.join(10_000);
  t.match(await leases.acquire(1, 10_000), [{ shard: 0, epoch: 2, progress: null }]);
  const { rows } = await database.query(
    `SELECT partition, epoch, next_offset AS next, first_offset AS first, owner, results FROM stream_offsets ORDER BY 1`,
  );
  const shared = { epoch: 2, owner: null, results: 0 };
  t.same(rows, [
    { partition: 0, next: 7, first: 7, ...shared },
    { partition: 1, next: 12, first: 12, ...shared },
  ]);
  t.match(await claimPartitions(database, 'checks', [0], 'two'), [{ epoch: 3, nextOffset: 7 }]);
});

test('tables of an earlier version are reset, too, and everybody is told of each reset', async (t) => {
  const database = await createTestDatabase(t, { migrated: false });
  const [initial] = await loadMigrations();
  await database.query(initial!.sql);
  await database.query(`CREATE TABLE schema_migrations (number integer PRIMARY KEY, name text NOT NULL,
    checksum text NOT NULL, objects text[] NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`);
  const objects = await database.query<{ name: string }>(
    `SELECT CASE relkind WHEN 'v' THEN 'VIEW IF EXISTS ' ELSE 'TABLE IF EXISTS ' END || relname AS name FROM pg_class
     WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v') AND NOT relispartition
       AND relname <> 'schema_migrations'`,
  );
  await database.query('INSERT INTO schema_migrations VALUES (1, $1, $2, $3)', [
    initial!.name,
    initial!.checksum,
    objects.rows.map(({ name }) => name),
  ]);
  await database.query(
    `INSERT INTO jobs (job_id, definition, version, running, source, revision) VALUES (41, '{}', 1, true, 'api', 1)`,
  );
  t.ok((await reset(database)).length > 5);
  const store = createJobStore({ database, clock: systemClock, toJob, redact: (given) => given });
  t.equal((await store.create({ uri: 'http://127.0.0.1/' })).job.jobId, 42);

  let told = 0;
  const stop = await watchResets(
    database,
    () => void told++,
    (error) => t.fail(String(error)),
  );
  await reset(database);
  await until('word of it', async () => told === 1);
  await stop();
});
