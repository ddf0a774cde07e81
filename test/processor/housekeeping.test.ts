import { test } from 'tap';
import { silentLogger } from '../../src/core/logger.ts';
import { ifAlone } from '../../src/postgres/advisory-lock.ts';
import { ensureMetricPartitions, ensureResultPartitions } from '../../src/postgres/partitions.ts';
import { createHousekeeping } from '../../src/processor/housekeeping.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/database.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';

const DAY_MS = 86_400_000;
const NOW_MS = Date.UTC(2026, 5, 15, 13, 30);

async function partitions(database: TestDatabase): Promise<string[]> {
  const { rows } = await database.query<{ name: string }>(
    `SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE c.relkind = 'r' AND i.inhparent::regclass::text ~ '^(metrics_|results)' ORDER BY 1`,
  );
  return rows.map(({ name }) => name);
}

test('rows go when their time is over, by partitions', async (t) => {
  const database = await createTestDatabase(t);
  const clock = createFakeClock({ wallMs: NOW_MS });
  await ensureMetricPartitions(database, 'minute', NOW_MS - 9 * DAY_MS, NOW_MS);
  await ensureMetricPartitions(database, 'hour', NOW_MS - 130 * DAY_MS, NOW_MS);
  await ensureMetricPartitions(database, 'day', NOW_MS - 800 * DAY_MS, NOW_MS);
  await ensureResultPartitions(database, NOW_MS - 2.5 * DAY_MS, NOW_MS);
  await database.query(
    `INSERT INTO dead_letters (topic, partition, record_offset, line, bytes, error, at)
     SELECT 'checks', 0, n, 0, '', 'bad', now() - make_interval(days => n) FROM generate_series(1, 40) n`,
  );
  await database.query(
    `INSERT INTO instances SELECT n::text, '{}', 'default', '1', now(), now() - make_interval(hours => n), '{}'
     FROM generate_series(1, 30) n`,
  );
  let trimmed = 0;
  const trimStream = async () => ++trimmed;
  const housekeeping = createHousekeeping({ database, logger: silentLogger, clock, trimStream });
  const report = await housekeeping.run();
  t.match(report, { deadLetters: 11, instances: 7, stream: 1, failed: [] });
  t.strictSame(report.droppedPartitions, [
    'metrics_minute_20260606',
    'metrics_minute_20260607',
    'metrics_hour_202602',
    'results_2026061300',
    'results_2026061304',
    'results_2026061308',
  ]);
  const left = await partitions(database);
  t.ok(
    left.includes('metrics_minute_20260608') &&
      left.includes('metrics_day_2024') &&
      left.includes('results_2026061312'),
  );
  t.strictSame((await housekeeping.run()).droppedPartitions, [], 'and nothing more');
});

test('retention is an option, and null is for ever', async (t) => {
  const database = await createTestDatabase(t);
  const clock = createFakeClock({ wallMs: NOW_MS });
  await ensureMetricPartitions(database, '5m', NOW_MS - 3 * DAY_MS, NOW_MS);
  await ensureResultPartitions(database, NOW_MS - 20 * DAY_MS, NOW_MS);
  const retention = { metrics: { '5m': DAY_MS, minute: null }, results: null, deadLetters: null };
  const report = await createHousekeeping({ database, logger: silentLogger, clock, retention }).run();
  t.strictSame(report.droppedPartitions, ['metrics_5m_20260612', 'metrics_5m_20260613']);
});

test('one process at a time does each part, and a part that fails stops no other', async (t) => {
  const database = await createTestDatabase(t);
  const clock = createFakeClock({ wallMs: NOW_MS });
  await ensureMetricPartitions(database, 'minute', NOW_MS - 9 * DAY_MS, NOW_MS - 9 * DAY_MS);
  const trimStream = async () => {
    throw new Error('the stream is away');
  };
  const housekeeping = createHousekeeping({ database, logger: silentLogger, clock, trimStream });
  await ifAlone(database, 'housekeeping metrics minute', async () => {
    t.strictSame(await housekeeping.run(), {
      droppedPartitions: [],
      deadLetters: 0,
      instances: 0,
      spans: 0,
      versions: 0,
      stream: 0,
      failed: ['stream'],
    });
  });
  t.equal((await housekeeping.run()).droppedPartitions.length, 1);
  housekeeping.start();
  await housekeeping.stop();
});
