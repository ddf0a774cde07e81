import { type Test, test } from 'tap';
import { systemClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { reset } from '../../src/installation/reset.ts';
import type { Database } from '../../src/postgres/database.ts';
import { FUNCTIONS, grantsSql, RELATIONS } from '../../src/postgres/grants.ts';
import { migrate, pendingMigrations } from '../../src/postgres/migrate.ts';
import { createDatabase } from '../../src/postgres/pool.ts';
import { createHousekeeping } from '../../src/processor/housekeeping.ts';
import { ensureTopicView } from '../../src/processor/tables/topic-views.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { createTestUsers, type TestUsers } from '../helpers/database-users.ts';
import { databaseDefaults } from '../helpers/defaults.ts';
import { insertMetric, insertResult } from '../stats/rows.ts';

const DAY = 86_400_000;

async function connect(t: Test, connectionString: string, schema = 'site_checker'): Promise<Database> {
  const database = await createDatabase({
    ...databaseDefaults,
    connectionString,
    schema,
    logger: silentLogger,
    poolSize: 2,
  });
  t.teardown(() => database.close());
  return database;
}

/** Users with their rights, and tables that the migrator made; a writer and a reader to try. */
async function createUsed(
  t: Test,
  schema = 'site_checker',
): Promise<TestUsers & Record<'admin' | 'writer' | 'reader' | 'migrator', Database>> {
  const users = await createTestUsers(t);
  const admin = await connect(t, users.adminUrl, schema);
  await admin.query(grantsSql(schema, users.users));
  const { names, urlOf } = users;
  const migrator = await connect(t, await urlOf(names.migrator), schema);
  await migrate(migrator);
  const [writer, reader] = [
    await connect(t, await urlOf(names.writer), schema),
    await connect(t, await urlOf(names.reader), schema),
  ];
  return { ...users, admin, migrator, writer, reader };
}

const DENIED = { code: '42501' };

test('each table, view and function has its rights written down', async (t) => {
  const database = await createTestDatabase(t);
  const relations = await database.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')
       AND NOT relispartition`,
  );
  t.strictSame(
    [...relations.rows.map(({ name }) => name), 'granted_roles'].sort(),
    Object.keys(RELATIONS).sort(),
    'RELATIONS of src/postgres/grants.ts',
  );
  const { rows } = await database.query<{ unknown: string }>(
    `SELECT oid::regprocedure::text AS unknown FROM pg_proc WHERE pronamespace = 'public'::regnamespace
       AND oid <> ALL (SELECT f::regprocedure FROM unnest($1::text[]) f)`,
    [Object.keys(FUNCTIONS)],
  );
  t.strictSame(rows, [], 'FUNCTIONS of src/postgres/grants.ts');
  const open = await database.query(
    `SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef
       AND (has_function_privilege('public', oid, 'EXECUTE') OR NOT proconfig @> ARRAY['search_path=public, pg_temp'])`,
  );
  t.strictSame(open.rows, [], 'functions that run with the rights of their owner');
});

test('the writer sees to rows and partitions, and to nothing else', async (t) => {
  const { admin, writer, names } = await createUsed(t);
  await admin.query('CREATE TABLE public.of_others (secret text); CREATE SCHEMA other; CREATE TABLE other.more ()');
  await insertResult(writer, { at: Date.now() - 9 * DAY });
  await insertMetric(writer, { at: Date.now() - 9 * DAY, up: 1 });
  await insertMetric(writer, { at: Date.now(), up: 1 });
  t.equal(await ensureTopicView(writer, 'checks'), null);
  t.equal((await writer.query('SELECT FROM checks')).rowCount, 1);
  const housekeeping = createHousekeeping({ database: writer, logger: silentLogger, clock: systemClock });
  const { droppedPartitions, failed } = await housekeeping.run();
  t.strictSame([droppedPartitions.length, failed], [2, []]);
  t.equal((await writer.query('SELECT FROM metrics')).rowCount, 1);

  const [leaf] = (
    await admin.query<{ name: string }>("SELECT relid::text AS name FROM pg_partition_tree('metrics') WHERE isleaf")
  ).rows;
  const refused = [
    'DROP TABLE metrics',
    `DROP TABLE ${leaf?.name}`,
    'ALTER TABLE jobs ADD COLUMN mine integer',
    'TRUNCATE results',
    'CREATE TABLE mine ()',
    'CREATE VIEW mine AS SELECT 1',
    'CREATE FUNCTION mine() RETURNS integer LANGUAGE sql AS $$ SELECT 1 $$',
    'CREATE SCHEMA mine',
    'CREATE ROLE mine',
    'SELECT * FROM public.of_others',
    'INSERT INTO public.of_others VALUES (1)',
    'SELECT * FROM other.more',
    'UPDATE job_versions SET definition = NULL',
    'DELETE FROM job_versions',
    'DELETE FROM results',
    'DELETE FROM checks',
    'UPDATE check_results SET outcome = NULL',
    'UPDATE stats SET dt = now()',
    `DELETE FROM ${leaf?.name}`,
    "UPDATE schema_migrations SET checksum = ''",
    `INSERT INTO granted_roles VALUES ('writer', 'x')`,
    'ALTER FUNCTION ensure_topic_view(text) RESET ALL',
    `SELECT ensure_range_partitions('jobs', 'day', 1, now(), now(), '')`,
    `SET ROLE "${names.migrator}"`,
    "COPY jobs TO PROGRAM 'true'",
  ];
  for (const sql of refused) await t.rejects(writer.query(sql), DENIED, sql);
  await t.rejects(writer.query("SELECT drop_expired_partitions('jobs', NULL, now())"), /No such partitioned table/);
});

test('the reader sees numbers, but no definition of a job', async (t) => {
  const { writer, reader } = await createUsed(t);
  const definition = { job_name: 'shop', uri: 'https://u:secret@shop/', headers: { authorization: 'secret' } };
  await writer.query(
    "INSERT INTO jobs (job_id, definition, version, running, source, revision) VALUES (1, $1, 1, true, 'api', 1)",
    [definition],
  );
  await writer.query('INSERT INTO job_versions (job_id, version, definition) VALUES (1, 1, $1)', [definition]);
  await insertResult(writer, { at: Date.now() });
  await ensureTopicView(writer, 'checks');
  for (const name of Object.keys(RELATIONS).filter((relation) => RELATIONS[relation]?.reader === 'SELECT')) {
    await reader.query(`SELECT * FROM ${name}`);
  }
  t.match((await reader.query('SELECT * FROM site_checker.checks')).rows, [
    { job_name: 'shop', success: true, code: '200' },
  ]);
  const [check] = (await reader.query('SELECT * FROM job_checks')).rows;
  t.match(check, { job_name: 'shop', uri: 'https://u:********@shop/' });
  t.notMatch(JSON.stringify(check), 'secret');
  t.equal((await reader.query('SELECT job_id, running FROM jobs')).rowCount, 1);
  t.ok((await reader.query('SELECT due_slots(1, now(), now()) AS due')).rows);
  const refused = [
    'SELECT * FROM jobs',
    'SELECT definition FROM job_versions',
    'SELECT bytes FROM dead_letters',
    'SELECT * FROM stream_records',
    'SELECT * FROM granted_roles',
    'UPDATE series_progress SET slot = 1',
    'DELETE FROM checks',
    'INSERT INTO stream_topics VALUES ($$x$$, 1)',
    "SELECT ensure_topic_view('x')",
    "SELECT drop_expired_partitions('results', NULL, now())",
    'CREATE TABLE mine ()',
  ];
  for (const sql of refused) await t.rejects(reader.query(sql), DENIED, sql);
});

test('on a database without tables the writer is told who makes them', async (t) => {
  const { names, users, adminUrl, urlOf } = await createTestUsers(t);
  const admin = await connect(t, adminUrl);
  await admin.query(grantsSql('site_checker', users));
  for (const schema of ['site_checker', 'public', 'missing']) {
    const writer = await connect(t, await urlOf(names.writer), schema);
    await t.rejects(migrate(writer), {
      code: 'VED_DATABASE_FORBIDDEN',
      message: new RegExp(
        `schema ${schema}, are missing or old, and user ${names.writer} may not make them .* run \`vedette db migrate\``,
      ),
    });
  }
  // And one without rights in the schema.
  await migrate(admin);
  await admin.query(`REVOKE USAGE ON SCHEMA site_checker FROM "${names.writer}"`);
  const writer = await connect(t, await urlOf(names.writer));
  await t.rejects(pendingMigrations(writer), { code: 'VED_DATABASE_FORBIDDEN' });
});

test('what is granted may be granted again, to tables made before, and outlives migrations', async (t) => {
  for (const schema of ['public', 'site_checker']) {
    const { names, users, adminUrl, urlOf } = await createTestUsers(t, `o'd"d $vedette$ %I `);
    const admin = await connect(t, adminUrl, schema);
    await migrate(admin);
    await insertResult(admin, { at: Date.now() });
    await ensureTopicView(admin, 'checks');
    await admin.query(
      'CREATE TABLE of_others (); CREATE FUNCTION histogram_of(text) RETURNS text LANGUAGE sql AS $$ SELECT $1 $$',
    );
    for (let times = 0; times < 2; times++) await admin.query(grantsSql(schema, users));
    const { rows } = await admin.query(
      `SELECT relname AS name FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v')
         AND relowner = current_user::regrole
       UNION ALL SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
         AND proowner = current_user::regrole`,
    );
    t.strictSame(rows, [{ name: 'of_others' }, { name: 'histogram_of(text)' }], 'these are not ours to give away');

    const migrator = await connect(t, await urlOf(names.migrator), schema);
    await migrator.query(grantsSql(schema, users));
    await reset(migrator);
    const [writer, reader] = [
      await connect(t, await urlOf(names.writer), schema),
      await connect(t, await urlOf(names.reader), schema),
    ];
    await insertResult(writer, { at: Date.now() });
    await ensureTopicView(writer, 'checks');
    t.equal((await reader.query('SELECT FROM checks')).rowCount, 1);
    await t.rejects(reader.query('SELECT * FROM jobs'), DENIED);
    await t.rejects(writer.query('DELETE FROM results'), DENIED);
  }
});

test('an administrator without the rights of a superuser can do it in an own database', async (t) => {
  const { names, users, adminUrl, urlOf } = await createTestUsers(t);
  const admin = await connect(t, adminUrl);
  const name = `admin_${names.writer}`;
  await admin.query(`CREATE ROLE ${name} LOGIN CREATEROLE`);
  await admin.query(`ALTER DATABASE ${admin.databaseName} OWNER TO ${name}`);
  const hosted = await connect(t, await urlOf(name));
  await hosted.query(grantsSql('site_checker', users));
  const migrator = await connect(t, await urlOf(names.migrator));
  await migrate(migrator);
  await hosted.query(grantsSql('site_checker', users));
  const writer = await connect(t, await urlOf(names.writer));
  await insertResult(writer, { at: Date.now() });
  t.equal((await writer.query('SELECT FROM results')).rowCount, 1);
  await hosted.close();
  await admin.query(
    `REASSIGN OWNED BY ${name} TO CURRENT_USER; DROP OWNED BY ${name}; ALTER DATABASE ${admin.databaseName} OWNER TO CURRENT_USER`,
  );
  await Promise.all([migrator.close(), writer.close()]);
  await admin.query(
    `DROP OWNED BY ${Object.values(names).join(', ')}; DROP ROLE ${[...Object.values(names), name].join(', ')}`,
  );
});
