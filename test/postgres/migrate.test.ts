import { test } from 'tap';
import { silentLogger } from '../../src/core/logger.ts';
import { reset } from '../../src/installation/reset.ts';
import { applyPending, loadMigrations, migrate, pendingMigrations } from '../../src/postgres/migrate.ts';
import { createDatabase } from '../../src/postgres/pool.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { databaseDefaults } from '../helpers/defaults.ts';
import { until } from '../helpers/until.ts';

test('migrations are applied once, in their order, by any number of processes at a time', async (t) => {
  const database = await createTestDatabase(t, { migrated: false });
  const pending = await pendingMigrations(database);
  t.equal(pending[0], '0001-initial.sql');
  const others = await Promise.all(
    [1, 2, 3].map(() =>
      createDatabase({ ...databaseDefaults, connectionString: database.connectionString, logger: silentLogger }),
    ),
  );
  const applied = await Promise.all([database, ...others].map((one) => migrate(one)));
  await Promise.all(others.map((one) => one.close()));
  t.strictSame(applied.flat().sort(), pending, 'each by exactly one of them');
  t.strictSame(await pendingMigrations(database), []);
  t.strictSame(await migrate(database), []);
});

test('a schema of another name is made and used', async (t) => {
  const database = await createTestDatabase(t, { schema: 'Ved "1"' });
  t.strictSame(await pendingMigrations(database), []);
  const { rows } = await database.query(
    "SELECT relnamespace::regnamespace::text AS s FROM pg_class WHERE relname = 'jobs'",
  );
  t.strictSame(rows, [{ s: '"Ved ""1"""' }]);
});

test('a reset drops what migrations made and nothing else', async (t) => {
  const database = await createTestDatabase(t);
  await database.query('CREATE TABLE of_others (id integer); INSERT INTO of_others VALUES (7)');
  await database.query('UPDATE job_revision SET value = 5');
  t.strictSame((await reset(database)).slice(0, 1), ['0001-initial.sql']);
  t.strictSame((await database.query('SELECT value FROM job_revision')).rows, [{ value: 6 }], 'none is used twice');
  t.strictSame((await database.query('SELECT id FROM of_others')).rows, [{ id: 7 }]);
});

test('an edited migration and one from the future are refused', async (t) => {
  const database = await createTestDatabase(t);
  await database.query("UPDATE schema_migrations SET checksum = 'x' WHERE number = 1");
  await t.rejects(migrate(database), /0001-initial.sql .* was edited after it was applied/);
  await database.query("INSERT INTO schema_migrations VALUES (9999, '9999-later.sql', 'x', '{}')");
  await database.query('UPDATE schema_migrations SET number = 9998 WHERE number = 1');
  await t.rejects(migrate(database), /does not know/);
});

test('a migration that others are in the way of, and it of them, is done again', async (t) => {
  const database = await createTestDatabase(t, { migrated: false });
  const migrations = await loadMigrations();
  // The next one changes series_progress, then stream_offsets; who counts results has them the other way round.
  await database.transaction((tx) => applyPending(tx, migrations.slice(0, 18), database.schema));
  // The first to wait is ended for the deadlock, if that is there by then.
  await database.query(`ALTER DATABASE "${database.databaseName}" SET deadlock_timeout = '5s'`);
  const { connectionString } = database;
  const migrating = await createDatabase({ ...databaseDefaults, connectionString, logger: silentLogger });
  t.teardown(() => migrating.close());
  let migrated: Promise<string[]> | undefined;
  await database.transaction(async (tx) => {
    await tx.query("SET LOCAL deadlock_timeout = '1min'");
    await tx.query('LOCK TABLE stream_offsets IN ROW EXCLUSIVE MODE');
    migrated = migrate(migrating);
    const waiting = "SELECT FROM pg_locks WHERE relation = 'stream_offsets'::regclass AND NOT granted";
    await until('the migration to wait', async () => (await database.query(waiting)).rowCount > 0);
    await tx.query('LOCK TABLE series_progress IN ROW EXCLUSIVE MODE');
  });
  t.strictSame(
    await migrated,
    migrations.slice(18).map(({ name }) => name),
  );
});
