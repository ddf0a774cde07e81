import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { firstOf } from '../core/first-of.ts';
import type { Logger } from '../core/logger.ts';
import { retry } from '../core/retry.ts';
import { VedetteError } from '../errors.ts';
import { root } from '../root.ts';
import type { Database, Queryable, Transaction } from './database.ts';
import { keepGrants } from './grants.ts';

/** One numbered file of migrations/, e.g. `migrations/0001-initial.sql`. */
export interface Migration {
  number: number;
  name: string;
  sql: string;
  checksum: string;
}

const FOLDER = fileURLToPath(new URL('migrations/', root));

export async function loadMigrations(folder = FOLDER): Promise<Migration[]> {
  const names = (await readdir(folder)).filter((name) => /^\d{4}-[a-z0-9-]+\.sql$/.test(name)).sort();
  const migrations = await Promise.all(
    names.map(async (name) => {
      // A checkout with CRLF line ends is the same migration.
      const sql = (await readFile(`${folder}/${name}`, 'utf8')).replaceAll('\r\n', '\n');
      return { number: Number(name.slice(0, 4)), name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
    }),
  );
  migrations.forEach((migration, index) => {
    if (migration.number !== index + 1) throw new Error(`Migration ${migration.name} should have number ${index + 1}`);
  });
  return migrations;
}

/**
 * Applies the pending migrations, all or none: in one transaction under an advisory lock, so that any number of
 * processes may do it at a time. Makes the schema when it is missing. Returns the names applied by this call. Throws
 * VED_DATABASE_FORBIDDEN when the user may not, and VED_DATABASE_OCCUPIED when others have tables of the same names.
 */
export function migrate(database: Database, options: { logger?: Logger } = {}): Promise<string[]> {
  return explained(database, async () => {
    const migrations = await loadMigrations();
    const work = () => locked(database, (tx) => applyPending(tx, migrations, database.schema));
    const isDeadlock = (error: unknown) => (error as { code?: unknown } | null)?.code === DEADLOCK;
    // Those who use the tables meanwhile lock them in another order.
    const applied = await retry(work, { isRetryable: isDeadlock });
    for (const migration of applied) options.logger?.info({ migration }, 'database migrated');
    return applied;
  });
}

/** Names of the migrations still to be applied, in their order. Changes nothing; throws as `migrate` does. */
export function pendingMigrations(database: Database): Promise<string[]> {
  return explained(database, async () => {
    const migrations = await loadMigrations();
    const pending = (await isKnown(database, database.schema)) ? await pendingOf(database, migrations) : migrations;
    return pending.map(({ name }) => name);
  });
}

const DEADLOCK = '40P01';
/** Of PostgreSQL: insufficient privilege, and a table that is known to be there but cannot be seen in its schema. */
const FORBIDDEN = new Set(['42501', '42P01', '3F000']);
/** Duplicate table, function, type or trigger; a foreign schema_migrations has other columns. */
const OCCUPIED = new Set(['42P07', '42723', '42710', '42703', '42809']);

/** Runs `work`; the message of an error that a user can mend says how, and as which user of PostgreSQL. */
export async function explained<T>(database: Database, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    const place = `${database.databaseName}, schema ${database.schema}`;
    if (code !== undefined && FORBIDDEN.has(code)) {
      const { rows } = await database.query<{ user: string }>('SELECT current_user AS user');
      const text =
        `The tables in ${place}, are missing or old, and user ${firstOf(rows).user} may not make them (${message}): ` +
        'run `vedette db migrate` as the user who owns the schema; `vedette db grants` prints the rights of all users';
      throw new VedetteError('VED_DATABASE_FORBIDDEN', text, { cause: error });
    }
    if (code !== undefined && OCCUPIED.has(code)) {
      const text =
        `In ${place}, others have tables of the same names (${message}). Nothing was changed: ` +
        'give Vedette a schema of its own with storage.schema (VEDETTE_STORAGE_SCHEMA=vedette)';
      throw new VedetteError('VED_DATABASE_OCCUPIED', text, { cause: error });
    }
    throw error;
  }
}

/** Runs `work` while no other process makes, changes or drops tables. */
export async function locked<T>(database: Database, work: (tx: Transaction) => Promise<T>): Promise<T> {
  const inTransaction = async (tx: Transaction) => {
    await tx.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`vedette migrations ${database.schema}`]);
    return work(tx);
  };
  return database.transaction(inTransaction, { statementTimeoutMs: 0 });
}

export async function applyPending(
  tx: Transaction,
  migrations: readonly Migration[],
  schema: string,
): Promise<string[]> {
  // Checked first, so that a user who may not create anything can still start when there is nothing to do.
  if (!(await isKnown(tx, schema))) await createHistory(tx, schema);
  const pending = await pendingOf(tx, migrations);
  for (const { number, name, checksum, sql } of pending) {
    const before = new Set(await listObjects(tx));
    await tx.query(sql);
    const objects = (await listObjects(tx)).filter((object) => !before.has(object));
    await tx.query('INSERT INTO schema_migrations (number, name, checksum, objects) VALUES ($1, $2, $3, $4)', [
      ...[number, name, checksum, objects],
    ]);
  }
  if (pending.length > 0) await keepGrants(tx, schema);
  return pending.map(({ name }) => name);
}

async function createHistory(tx: Transaction, schema: string): Promise<void> {
  const { rowCount } = await tx.query('SELECT FROM pg_namespace WHERE nspname = $1', [schema]);
  if (rowCount === 0) await tx.query(`CREATE SCHEMA "${schema.replaceAll('"', '""')}"`);
  await tx.query(`
    CREATE TABLE schema_migrations (
      number integer PRIMARY KEY,
      name text NOT NULL,
      checksum text NOT NULL,
      -- What it made, as DROP wants it.
      objects text[] NOT NULL,
      applied_at timestamptz NOT NULL DEFAULT now()
    )`);
}

/** `TABLE jobs`, `VIEW stats`, `FUNCTION f(text)`: everything in the schema that does not go with something else. */
async function listObjects(tx: Transaction): Promise<string[]> {
  const { rows } = await tx.query<{ object: string }>(`
    SELECT CASE relkind WHEN 'v' THEN 'VIEW IF EXISTS ' WHEN 'm' THEN 'MATERIALIZED VIEW IF EXISTS '
      WHEN 'S' THEN 'SEQUENCE IF EXISTS ' ELSE 'TABLE IF EXISTS ' END || oid::regclass AS object
    FROM pg_class
    WHERE relnamespace = quote_ident(current_schema())::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S') AND NOT relispartition
      AND NOT (relkind = 'S' AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
        AND d.objid = pg_class.oid AND d.deptype IN ('a', 'i')))
    UNION ALL
    SELECT 'FUNCTION IF EXISTS ' || oid::regprocedure
    FROM pg_proc WHERE pronamespace = quote_ident(current_schema())::regnamespace AND prokind = 'f'`);
  return rows.map(({ object }) => object);
}

/**
 * Whether the tables were ever made. Read from the catalog: to_regclass() may use a cache that is older than the lock
 * this waited for.
 */
export async function isKnown(queryable: Queryable, schema: string): Promise<boolean> {
  const { rowCount } = await queryable.query(
    `SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND c.relname = 'schema_migrations'`,
    [schema],
  );
  return rowCount > 0;
}

async function pendingOf(queryable: Queryable, migrations: readonly Migration[]): Promise<Migration[]> {
  const { rows } = await queryable.query<{ number: number; name: string; checksum: string }>(
    'SELECT number, name, checksum FROM schema_migrations ORDER BY number',
  );
  for (const row of rows) {
    const migration = migrations[row.number - 1];
    if (!migration) {
      throw new VedetteError(
        'VED_DATABASE_UNAVAILABLE',
        `The database has migration ${row.name}, which this version of Vedette does not know: use a newer one`,
      );
    }
    if (migration.checksum !== row.checksum) {
      throw new VedetteError(
        'VED_DATABASE_UNAVAILABLE',
        `Migration ${row.name} of the database differs from the file of the same name: it was edited after it was applied`,
      );
    }
  }
  return migrations.slice(rows.length);
}
