import { test } from 'tap';
import { systemClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/logger.ts';
import type { Job } from '../../src/jobs/definition.ts';
import { createJobStore } from '../../src/jobs/postgres-store.ts';
import { createHousekeeping } from '../../src/processor/housekeeping.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/database.ts';

const DAY_MS = 86_400_000;

async function versionsOf(database: TestDatabase): Promise<number[]> {
  const sql = 'SELECT version FROM job_versions WHERE job_id = 1 ORDER BY version';
  return (await database.query<{ version: number }>(sql)).rows.map(({ version }) => version);
}

async function span(database: TestDatabase, version: number, from: number, to: number | null): Promise<void> {
  await database.query(
    `INSERT INTO schedule_spans (job_id, location, version, period_ms, phase_ms, topic, epoch, from_slot, to_slot)
     VALUES (1, 'default', $1, 1000, 0, 'checks', 1, $2, $3)`,
    [version, from, to],
  );
}

/** Six versions, each replaced a day after the one before; versions 1, 3 and 5 ran. */
async function history(database: TestDatabase): Promise<void> {
  await database.query(
    `INSERT INTO jobs (job_id, definition, version, running, source, revision) VALUES (1, '{}', 6, true, 'api', 1)`,
  );
  await database.query(
    `INSERT INTO job_versions SELECT 1, n, '{}', now() - make_interval(days => 3000 - n) FROM generate_series(1, 6) n`,
  );
  const now = Date.now();
  await span(database, 1, now - 2_999 * DAY_MS, now - 2_998 * DAY_MS);
  await span(database, 3, now - 2_000 * DAY_MS, now - 1_000 * DAY_MS);
  await span(database, 5, now - 20 * DAY_MS, null);
}

const keep = (day: number | null) => ({
  results: DAY_MS,
  metrics: { minute: DAY_MS, day: day === null ? null : day * DAY_MS },
});

test('versions that never ran go, those that a kept stretch needs stay', async (t) => {
  const database = await createTestDatabase(t);
  await history(database);
  const housekeeping = (day: number | null) =>
    createHousekeeping({ database, logger: silentLogger, clock: systemClock, retention: keep(day) }).run();
  t.match(await housekeeping(null), { spans: 0, versions: 2, failed: [] });
  t.strictSame(await versionsOf(database), [1, 3, 5, 6], 'day rows are kept for ever, and stretches with them');
  t.match(await housekeeping(1_500), { spans: 1, versions: 1, failed: [] });
  t.strictSame(await versionsOf(database), [3, 5, 6]);
  t.match(await housekeeping(10), { spans: 1, versions: 1, failed: [] });
  t.strictSame(await versionsOf(database), [5, 6], 'the open stretch and the present version stay');
  await t.rejects(database.query('DELETE FROM job_versions'), /never changed or deleted/);
});

test('the last stretch of a job stays, and a version that was replaced just now', async (t) => {
  const database = await createTestDatabase(t);
  await history(database);
  await database.query('DELETE FROM schedule_spans WHERE version = 5');
  await database.query(`INSERT INTO job_versions VALUES (1, 7, '{}', now())`);
  await database.query('UPDATE jobs SET version = 7');
  const { spans } = await createHousekeeping({
    ...{ database, logger: silentLogger, clock: systemClock, retention: keep(10) },
  }).run();
  t.equal(spans, 1);
  t.strictSame(await versionsOf(database), [3, 6, 7]);
});

test('a job that is edited again and again without running keeps few versions', async (t) => {
  const database = await createTestDatabase(t);
  const store = createJobStore({
    database,
    clock: systemClock,
    toJob: (_, jobId) => ({ jobId }) as Job,
    redact: (given) => given,
  });
  await store.create({ job_id: 1, uri: 'http://127.0.0.1/', enabled: false });
  await span(database, 7, 0, 10);
  const body = 'x'.repeat(130_000);
  for (let edit = 2; edit <= 260; edit++) {
    await store.update(1, { uri: 'http://127.0.0.1/', enabled: false, body, job_name: `edit ${edit}` });
  }
  const versions = await versionsOf(database);
  t.ok(versions.length <= 102, `${versions.length} of 260`);
  t.ok(versions.includes(7), 'the one that ran stays');
  t.equal(versions.at(-1), 260);
});
