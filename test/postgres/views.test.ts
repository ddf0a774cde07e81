import { test } from 'tap';
import { silentLogger } from '../../src/core/logger.ts';
import { VedetteError } from '../../src/errors.ts';
import type { Database } from '../../src/postgres/database.ts';
import { migrate, pendingMigrations } from '../../src/postgres/migrate.ts';
import { ensureResultPartitions } from '../../src/postgres/partitions.ts';
import { createDatabase } from '../../src/postgres/pool.ts';
import { ensureTopicView } from '../../src/processor/tables/topic-views.ts';
import { countDue, readSpans } from '../../src/stats/queries/spans.ts';
import { pinPartitions } from '../../src/streaming/topics.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { databaseDefaults } from '../helpers/defaults.ts';
import { insertProgress, insertResult, insertSpan } from '../stats/rows.ts';

const NOON = Date.UTC(2025, 10, 20, 12);
const MINUTE = 60_000;

async function insertJob(database: Database, jobId: number, version: number, definition: object): Promise<void> {
  await database.query(
    `INSERT INTO jobs (job_id, definition, version, running, source, revision) VALUES ($1, $2, $3, true, 'api', 1)
     ON CONFLICT (job_id) DO UPDATE SET definition = excluded.definition, version = excluded.version`,
    [jobId, definition, version],
  );
  await database.query('INSERT INTO job_versions (job_id, version, definition) VALUES ($1, $2, $3)', [
    jobId,
    version,
    definition,
  ]);
}

test('raw results in plain units, with the version of the job that was in force', async (t) => {
  const database = await createTestDatabase(t, { schema: 'site_checker' });
  await insertJob(database, 1, 1, { job_name: 'apache', uri: 'http://a/' });
  await insertJob(database, 1, 2, { job_name: 'httpd', uri: 'http://user:secret@a/' });
  await insertSpan(database, { version: 1, from: NOON, to: NOON + 2 * MINUTE, period: MINUTE });
  // Closed before its first slot: in force for none.
  await insertSpan(database, { version: 1, from: NOON + 3 * MINUTE, to: NOON + 2 * MINUTE, period: MINUTE });
  await insertSpan(database, { version: 2, from: NOON + 3 * MINUTE, period: MINUTE });
  const outcomes = ['up', 'down', 'degraded', 'missed', 'up'];
  for (const [i, outcome] of outcomes.entries()) await insertResult(database, { at: NOON + i * MINUTE, outcome });
  await insertResult(database, { at: NOON + 5 * MINUTE, foreign: true });
  const { rows } = await database.query('SELECT * FROM check_results ORDER BY check_time');
  t.match(rows[0], {
    check_time: new Date(NOON),
    started_at: new Date(NOON),
    job_id: 1,
    job_name: 'httpd',
    location: 'default',
    success: true,
    response_time: 0.012345,
    length: 2,
    code: '200',
    outcome: 'up',
    reason: null,
    slots: 1,
    topic: 'checks',
    values: null,
    maintenance: false,
  });
  t.strictSame(
    rows.map((row) => [row.version, row.success]),
    [
      [1, true],
      [1, false],
      [1, true],
      [2, null],
      [2, true],
      [null, true],
    ],
  );

  const checks = await database.query('SELECT * FROM job_checks ORDER BY version');
  t.match(checks.rows, [
    { version: 1, job_name: 'apache', last_check: new Date(NOON + 2 * MINUTE), outcome: 'degraded', length: 2 },
    {
      version: 2,
      job_name: 'httpd',
      uri: 'http://user:********@a/',
      valid_to: null,
      is_current: true,
      running: true,
      last_check: new Date(NOON + 4 * MINUTE),
      success: true,
      response_time: 0.012345,
      length: 2,
      code: '200',
    },
  ]);
  t.strictSame(checks.rows[0].valid_to, checks.rows[1].valid_from);
  await insertProgress(database, { slot: NOON + 9 * MINUTE, outcome: 'down' });
  const newest = await database.query('SELECT last_check, success, length FROM job_checks WHERE is_current');
  t.strictSame(newest.rows, [{ last_check: new Date(NOON + 9 * MINUTE), success: false, length: null }]);
});

test('the version of a result is found by the index, and not looked for unless asked', async (t) => {
  const database = await createTestDatabase(t);
  await database.query(
    `INSERT INTO schedule_spans (job_id, location, version, period_ms, phase_ms, topic, epoch, from_slot, to_slot)
     SELECT job, 'default', v, 1000, 0, 'checks', 1, v * 1000, v * 1000 + 999
     FROM generate_series(1, 200) AS job, generate_series(1, 50) AS v`,
  );
  await ensureResultPartitions(database, NOON, NOON + MINUTE);
  await database.query('ANALYZE schedule_spans');
  const explain = async (columns: string) => {
    const { rows } = await database.query<{ 'QUERY PLAN': string }>(`EXPLAIN SELECT ${columns} FROM check_results`);
    return rows.map((row) => row['QUERY PLAN']).join('\n');
  };
  t.match(await explain('version'), /Index (Only )?Scan Backward using schedule_spans_pkey/);
  t.notMatch(await explain('code, response_time'), /schedule_spans|jobs/);
});

test('slots that were due are counted as the API counts them', async (t) => {
  const database = await createTestDatabase(t);
  await insertSpan(database, { from: NOON, to: NOON + 10 * MINUTE, period: 7_000, phase: 3_000 });
  await insertSpan(database, { from: NOON + 20 * MINUTE, period: MINUTE, phase: 17, version: 2 });
  const spans = await readSpans(database, { jobId: 1, fromMs: NOON, toMs: NOON * 2 });
  for (const [fromMs, toMs] of [
    [NOON, NOON + MINUTE],
    [NOON - MINUTE, NOON + 11 * MINUTE],
    [NOON + 3_001, NOON + 30 * MINUTE],
    [NOON + 12 * MINUTE, NOON + 13 * MINUTE],
  ] as const) {
    const { rows } = await database.query('SELECT due_slots(1, $1, $2) AS due', [new Date(fromMs), new Date(toMs)]);
    t.strictSame(rows, [{ due: countDue(spans, { fromMs, toMs }, Date.now(), () => 0) }]);
  }
  await insertSpan(database, { jobId: 2, from: NOON, to: NOON + MINUTE, period: null, cron: '* * * * *', slots: 2 });
  const due = async (toMs: number) =>
    (await database.query('SELECT due_slots(2, $1, $2) AS due', [new Date(NOON), new Date(toMs)])).rows;
  t.strictSame(await due(NOON + 2 * MINUTE), [{ due: 2 }]);
  t.strictSame(await due(NOON + 1), [{ due: null }], 'a part of it: not known here');
});

test('versions of jobs cannot be changed, not even by their owner', async (t) => {
  const database = await createTestDatabase(t);
  await insertJob(database, 1, 1, {});
  for (const sql of ['UPDATE job_versions SET version = 2', 'DELETE FROM job_versions', 'TRUNCATE job_versions']) {
    await t.rejects(database.query(sql), /Rows of job_versions are never changed or deleted/);
  }
  t.equal((await database.query('SELECT FROM job_versions')).rowCount, 1);
});

test('a view for each topic, unless its name is taken', async (t) => {
  const database = await createTestDatabase(t, { schema: 'site_checker' });
  await insertResult(database, { at: NOON });
  await database.query("UPDATE results SET topic = 'apache'");
  await insertResult(database, { at: NOON + 1 });
  const names = ['apache', 'Web-1.eu', 'user', 'checks'];
  const made = await Promise.all([...names, ...names].map((name) => ensureTopicView(database, name)));
  t.strictSame(made, Array(8).fill(null), 'by any number of processes at a time');
  t.match((await database.query('SELECT * FROM site_checker.apache')).rows, [{ check_time: new Date(NOON) }]);
  t.equal((await database.query('SELECT FROM site_checker.checks')).rowCount, 1);
  t.equal((await database.query('SELECT FROM site_checker."Web-1.eu"')).rowCount, 0);

  await database.query("CREATE TYPE mood AS ENUM ('good'); CREATE VIEW mine AS SELECT 1 AS one");
  const refused = {
    jobs: 'table',
    metrics: 'table',
    stats: 'view',
    mine: 'view',
    jobs_revision: 'index',
    mood: 'type',
  };
  for (const [name, kind] of Object.entries(refused)) {
    t.match(await ensureTopicView(database, name), new RegExp(`the schema has (another|a) ${kind} of this name`), name);
  }
  t.match(await ensureTopicView(database, 'results_2025112012'), /partitions/);
  t.match(await ensureTopicView(database, 'x'.repeat(64)), /at most 63/);
  t.match(await ensureTopicView(database, "a'; DROP TABLE jobs; --"), /letters, digits/);
  t.equal((await database.query('SELECT one FROM mine')).rowCount, 1);
});

test('two schemas of one database know nothing of each other', async (t) => {
  const one = await createTestDatabase(t, { schema: 'one' });
  const two = await createDatabase({
    ...databaseDefaults,
    connectionString: one.connectionString,
    schema: 'two',
    logger: silentLogger,
  });
  t.teardown(() => two.close());
  await migrate(two);
  await Promise.all([one, two].map((database) => insertResult(database, { at: NOON })));
  await pinPartitions(one, 'apache', { counted: true, make: async () => 3 });
  t.strictSame([await ensureTopicView(one, 'checks'), await ensureTopicView(two, 'checks')], [null, null]);
  await one.query('DELETE FROM results');
  t.equal((await one.query('SELECT FROM one.checks')).rowCount, 0);
  t.equal((await one.query('SELECT FROM two.checks')).rowCount, 1);
  t.equal((await two.query('SELECT FROM stream_topics')).rowCount, 0);
});

test('a schema that holds tables of others is left as it is', async (t) => {
  const foreign = [
    'CREATE TABLE results (id integer)',
    'CREATE VIEW metrics AS SELECT 1 AS one',
    'CREATE TYPE jobs AS ENUM ()',
    'CREATE TABLE schema_migrations (version text)',
    'CREATE VIEW schema_migrations AS SELECT 1 AS one',
    'CREATE FUNCTION histogram_bins(h bytea) RETURNS text LANGUAGE sql AS $$ SELECT NULL::text $$',
  ];
  for (const sql of foreign) {
    const database = await createTestDatabase(t, { migrated: false });
    // As extensions of time series bring them: other arguments, so no clash.
    await database.query(
      'CREATE FUNCTION histogram(value double precision, lo double precision, hi double precision, n integer) RETURNS integer[] LANGUAGE sql AS $$ SELECT NULL::integer[] $$',
    );
    await database.query(
      'CREATE FUNCTION time_bucket(width interval, at timestamptz) RETURNS timestamptz LANGUAGE sql AS $$ SELECT at $$',
    );
    await database.query(sql);
    const before = await contents(database);
    const error = await migrate(database).catch((error) => error);
    t.ok(error instanceof VedetteError && error.code === 'VED_DATABASE_OCCUPIED', sql);
    t.match(error.message, /schema public, others have .*VEDETTE_STORAGE_SCHEMA=vedette/);
    t.strictSame(await contents(database), before, 'nothing came and nothing went');
    const own = await createDatabase({
      ...databaseDefaults,
      connectionString: database.connectionString,
      schema: 'vedette',
      logger: silentLogger,
    });
    t.teardown(() => own.close());
    await migrate(own);
    t.strictSame(await pendingMigrations(own), []);
    await insertResult(own, { at: NOON });
  }
});

async function contents(database: Database): Promise<string[]> {
  const sql = "SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1";
  return (await database.query<{ name: string }>(sql)).rows.map(({ name }) => name);
}
