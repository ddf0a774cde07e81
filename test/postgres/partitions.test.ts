import { setTimeout as delay } from 'node:timers/promises';
import { test } from 'tap';
import { silentLogger } from '../../src/core/logger.ts';
import type { Database } from '../../src/postgres/database.ts';
import {
  dropExpiredPartitions,
  ensureMetricPartitions,
  ensureResultPartitions,
} from '../../src/postgres/partitions.ts';
import { createDatabase } from '../../src/postgres/pool.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { databaseDefaults } from '../helpers/defaults.ts';

const NOON = Date.UTC(2026, 10, 21, 12);
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const leaves = async (database: Database, parent: string) => {
  const sql = 'SELECT relid::text AS name FROM pg_partition_tree($1::regclass) WHERE isleaf ORDER BY 1';
  const { rows } = await database.query<{ name: string }>(sql, [parent]);
  return rows.map(({ name }) => name);
};

test('partitions are as long as their granularity asks for', async (t) => {
  const database = await createTestDatabase(t);
  const cases: Array<[string, string[]]> = [
    ['minute', ['metrics_minute_20261121', 'metrics_minute_20261122']],
    ['hour', ['metrics_hour_202611']],
    ['day', ['metrics_day_2026']],
    ['5m', ['metrics_5m_20261121', 'metrics_5m_20261122']],
    ['6h', ['metrics_6h_202611']],
    ['1w', ['metrics_1w_2026']],
    ['90', ['metrics_90_20261121', 'metrics_90_20261122']],
  ];
  for (const [granularity, expected] of cases) {
    t.equal(await ensureMetricPartitions(database, granularity, NOON, NOON + DAY), expected.length);
    t.strictSame(await leaves(database, `metrics_${granularity}`), expected, granularity);
    t.equal(await ensureMetricPartitions(database, granularity, NOON, NOON + DAY), 0, 'again: nothing to do');
  }
  t.equal(
    await ensureMetricPartitions(database, '10s', NOON, NOON),
    1,
    'an empty range has the partition of its start',
  );
  t.equal(await ensureMetricPartitions(database, 'it\'s "odd"', NOON, NOON), 1);
  t.equal(await ensureResultPartitions(database, NOON, NOON + 5 * HOUR), 2);
  t.strictSame(await leaves(database, 'results'), ['results_2026112112', 'results_2026112116']);
  const stream = 'SELECT ensure_stream_partition($1, $2) AS made';
  t.strictSame((await database.query(stream, [new Date(NOON + 1), new Date(NOON + HOUR + 1)])).rows, [{ made: 2 }]);
  await t.rejects(ensureMetricPartitions(database, 'minute', 0, NOON), /More than 1000/);
  await t.rejects(ensureMetricPartitions(database, 'minute', -1, 0), /1970 to 9999/);
});

test('rows land in their partition, and updates stay on their page', async (t) => {
  const database = await createTestDatabase(t);
  await ensureMetricPartitions(database, 'minute', NOON, NOON);
  const upsert = `INSERT INTO metrics (granularity, job_id, location, dt, count) VALUES ('minute', 1, 'default', $1, 1)
    ON CONFLICT (granularity, job_id, location, dt) DO UPDATE SET count = metrics.count + excluded.count`;
  // All versions fit on a page: old ones are removed only when no snapshot, such as one of autovacuum, may need them.
  for (let times = 0; times < 20; times++) await database.query(upsert, [new Date(NOON)]);
  t.strictSame((await database.query('SELECT count FROM metrics')).rows, [{ count: 20 }]);
  const counters = async () => {
    const sql =
      "SELECT n_tup_upd AS n, n_tup_hot_upd AS hot FROM pg_stat_user_tables WHERE relname = 'metrics_minute_20261121'";
    return (await database.query<{ n: number; hot: number }>(sql)).rows[0];
  };
  // Statistics arrive a moment later.
  while ((await counters()).n < 19) await new Promise((resolve) => setTimeout(resolve, 100));
  const { n, hot } = await counters();
  t.equal(hot, n);
  await t.rejects(database.query(upsert, [new Date(NOON + DAY)]), { code: '23514' }, 'no partition for tomorrow yet');
});

test('retention drops whole partitions only, of one granularity only', async (t) => {
  const database = await createTestDatabase(t);
  await ensureMetricPartitions(database, 'minute', NOON, NOON + 3 * DAY);
  await ensureMetricPartitions(database, 'hour', NOON, NOON);
  const expire = (beforeMs: number) =>
    dropExpiredPartitions(database, { table: 'metrics', granularity: 'minute', beforeMs });
  t.strictSame(await expire(NOON), []);
  t.strictSame(await expire(NOON + 2 * DAY), ['metrics_minute_20261121', 'metrics_minute_20261122']);
  t.strictSame(await leaves(database, 'metrics'), [
    'metrics_hour_202611',
    'metrics_minute_20261123',
    'metrics_minute_20261124',
  ]);
  t.strictSame(await dropExpiredPartitions(database, { table: 'metrics', granularity: '7m', beforeMs: NOON }), []);
});

test('many callers at a time, with writers and readers under way', async (t) => {
  const database = await createTestDatabase(t);
  const pools = await Promise.all(
    [1, 2, 3, 4].map(() =>
      createDatabase({ ...databaseDefaults, connectionString: database.connectionString, logger: silentLogger }),
    ),
  );
  t.teardown(() => Promise.all(pools.map((pool) => pool.close())));
  let rows = 0;
  await Promise.all(
    pools.flatMap((pool, index) => [
      (async () => {
        for (let day = 0; day < 12; day++) await ensureMetricPartitions(pool, 'minute', NOON, NOON + day * DAY);
      })(),
      (async () => {
        for (let step = 0; step < 40; step++) {
          const at = NOON + (step % 12) * DAY;
          await ensureMetricPartitions(pool, 'minute', at, at);
          const insert = () =>
            pool.transaction(async (tx) => {
              await tx.query(
                "INSERT INTO metrics (granularity, job_id, location, dt, count) VALUES ('minute', $1, 'default', $2, 1)",
                [index * 1000 + step, new Date(at)],
              );
              await tx.query('SELECT count(*) FROM metrics');
            });
          // PostgreSQL lets others see a partition a moment before it tells them to look: processors try again, too.
          await insert().catch((error) => {
            if (error.code !== '23514') throw error;
            return delay(50).then(insert);
          });
          rows++;
        }
      })(),
      (async () => {
        for (let step = 0; step < 10; step++) {
          await dropExpiredPartitions(pool, { table: 'metrics', granularity: 'minute', beforeMs: NOON - DAY });
        }
      })(),
    ]),
  );
  t.equal((await database.query<{ n: number }>('SELECT count(*) AS n FROM metrics')).rows[0].n, rows);
});

test('a partition that is being read is left for the next time', async (t) => {
  const database = await createTestDatabase(t);
  await ensureResultPartitions(database, NOON, NOON);
  const expiry = { table: 'results', beforeMs: NOON + DAY } as const;
  await database.transaction(async (tx) => {
    await tx.query('SELECT count(*) FROM results');
    t.strictSame(await dropExpiredPartitions(database, expiry), []);
  });
  t.strictSame(await dropExpiredPartitions(database, expiry), ['results_2026112112']);
});
