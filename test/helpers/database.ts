import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type pg from 'pg';
import type { Test } from 'tap';
import { silentLogger } from '../../src/core/logger.ts';
import type { Database } from '../../src/postgres/database.ts';
import { connectionStringOf, withClient } from '../../src/postgres/embedded/cluster.ts';
import { loadMigrations, migrate } from '../../src/postgres/migrate.ts';
import { createDatabase, type DatabaseOptions } from '../../src/postgres/pool.ts';
import { databaseDefaults } from './defaults.ts';
import { leaveServer, type TestServer, useServer } from './postgres-server.ts';

export interface TestDatabaseOptions extends Partial<DatabaseOptions> {
  /** False: an empty database, without any table. Default true. */
  migrated?: boolean;
}

/** A Database of the test's own, with a connection string for a second pool, psql or another process. */
export type TestDatabase = Database & { readonly connectionString: string };

type Teardown = Pick<Test, 'teardown'>;

let entered: Promise<TestServer> | undefined;

/** The real PostgreSQL that all tests share; it runs at least until this process ends. */
export function testServer(): Promise<TestServer> {
  // A test run without tap has nobody who stops the server for it.
  entered ??= useServer(process.pid);
  return entered;
}

/** A connection string to a fresh database, dropped at teardown, migrated unless told otherwise. */
export async function createTestDatabaseUrl(t: Teardown, { migrated = true } = {}): Promise<string> {
  const server = await testServer();
  const name = `test_${process.env.TAP_JOB_ID ?? 'x'}_${randomBytes(6).toString('hex')}`;
  const template = migrated ? await ensureTemplate(server) : 'template0';
  await asAdmin(server, (client) => client.query(`CREATE DATABASE "${name}" TEMPLATE "${template}"`));
  t.teardown(async () => {
    await asAdmin(server, (client) => client.query(`DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`));
    await leaveWhenLast();
  });
  users++;
  return connectionStringOf(server.password, server.port, name);
}

/** A migrated database of the test's own. Pools opened on it later have to be closed by whoever opens them. */
export async function createTestDatabase(t: Teardown, options: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const { migrated = true, ...poolOptions } = options;
  // A schema of another name is not in the template.
  const inTemplate = migrated && (options.schema ?? 'public') === 'public';
  const connectionString = await createTestDatabaseUrl(t, { migrated: inTemplate });
  const database = await createDatabase({
    ...databaseDefaults,
    logger: silentLogger,
    poolSize: 4,
    connectionString,
    ...poolOptions,
  });
  t.teardown(() => database.close());
  if (migrated && !inTemplate) await migrate(database);
  return Object.assign(database, { connectionString });
}

let users = 0;

async function leaveWhenLast(): Promise<void> {
  users--;
  if (users > 0) return;
  entered = undefined;
  await leaveServer(process.pid);
}

/** Migrated once per state of migrations/, then copied by every test. */
async function ensureTemplate(server: TestServer): Promise<string> {
  const code = await readFile(new URL('../../src/postgres/migrate.ts', import.meta.url), 'utf8');
  const parts = [code, ...(await loadMigrations()).map(({ checksum }) => checksum)];
  const hash = createHash('sha256').update(parts.join()).digest('hex').slice(0, 16);
  const name = `template_${hash}`;
  await asAdmin(server, async (client) => {
    if (await isThere(client, name)) return;
    await client.query("SELECT pg_advisory_lock(hashtextextended('template', 0))");
    if (await isThere(client, name)) return;
    const making = `making_${hash}`;
    await client.query(`DROP DATABASE IF EXISTS "${making}" WITH (FORCE)`);
    await client.query(`CREATE DATABASE "${making}" TEMPLATE template0`);
    const connectionString = connectionStringOf(server.password, server.port, making);
    const database = await createDatabase({ ...databaseDefaults, logger: silentLogger, connectionString });
    await migrate(database).finally(() => database.close());
    await client.query(`ALTER DATABASE "${making}" RENAME TO "${name}"`);
  });
  return name;
}

async function isThere(client: pg.Client, name: string): Promise<boolean> {
  const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [name]);
  return rowCount === 1;
}

function asAdmin<T>(server: TestServer, work: (client: pg.Client) => Promise<T>): Promise<T> {
  return withClient(server, server.port, 'postgres', work);
}
