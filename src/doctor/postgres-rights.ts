import { VedetteError } from '../errors.ts';
import type { Database } from '../storage/database.ts';
import { pendingMigrations } from '../storage/migrate.ts';
import { type Examination, type Finding, ok, problem, warning } from './examination.ts';

/** What a process needs: it reads and writes every table, and partitions are made by functions of their owner. */
const MISSING_RIGHTS = `
  WITH wanted AS (
    SELECT c.oid, c.relname AS name, p AS privilege
    FROM pg_class c
      CROSS JOIN unnest(CASE c.relname WHEN 'schema_migrations' THEN ARRAY['SELECT'] ELSE ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'] END) AS p
    WHERE c.relnamespace = quote_ident($1)::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND EXISTS (SELECT FROM schema_migrations WHERE 'TABLE IF EXISTS ' || c.oid::regclass = ANY (objects))
  )
  SELECT name || ' (' || string_agg(privilege, ', ' ORDER BY privilege) || ')' AS missing
  FROM wanted WHERE NOT has_table_privilege(oid, privilege) GROUP BY name
  UNION ALL
  SELECT proname || ' (EXECUTE)' FROM pg_proc
  WHERE pronamespace = quote_ident($1)::regnamespace AND prosecdef AND NOT has_function_privilege(oid, 'EXECUTE')`;

const MAY_CREATE = `
  SELECT current_user AS "user", CASE WHEN EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)
    THEN has_schema_privilege($1, 'CREATE') ELSE has_database_privilege(current_database(), 'CREATE') END AS may`;

export const postgresRights: Examination = {
  name: 'postgres.rights',
  settings: ['database', 'data_dir', 'storage.schema'],
  async examine(patient) {
    const database = await patient.database();
    if (!database) return [];
    let pending: string[];
    try {
      pending = await pendingMigrations(database);
    } catch (error) {
      return [unreadable(error)];
    }
    if (pending.length > 0) return [await judgePending(database, pending)];
    const { rows } = await database.query<{ missing: string }>(MISSING_RIGHTS, [database.schema]);
    return [ok('postgres.migrations', `all applied, in schema ${database.schema}`), judgeRights(rows)];
  },
};

async function judgePending(database: Database, pending: readonly string[]): Promise<Finding> {
  const { rows } = await database.query<{ user: string; may: boolean }>(MAY_CREATE, [database.schema]);
  const { user, may } = rows[0] as { user: string; may: boolean };
  const found = `not applied yet: ${pending.join(', ')}`;
  if (may)
    return warning('postgres.migrations', found, 'They are applied at the next start, or now: `vedette db migrate`.');
  const advice = 'Run `vedette db migrate` as a user who may: README, "A PostgreSQL of your own".';
  return problem('postgres.migrations', `${found}, and ${user} may not create tables`, advice);
}

function judgeRights(rows: ReadonlyArray<{ missing: string }>): Finding {
  if (rows.length === 0) return ok('postgres.rights', 'all that a process needs');
  const missing = rows
    .map((row) => row.missing)
    .sort()
    .join(', ');
  return problem('postgres.rights', `missing: ${missing}`, 'Let its owner run what `vedette db grants` prints.');
}

/** A newer Vedette was here, a migration was edited, or not even the list of them may be read. */
function unreadable(error: unknown): Finding {
  if (error instanceof VedetteError) {
    return problem('postgres.migrations', error.message, 'Run the version of Vedette that belongs to this database.');
  }
  if ((error as { code?: string }).code !== '42501') throw error;
  const found = `the tables may not be read: ${(error as Error).message}`;
  return problem('postgres.rights', found, 'Let its owner run what `vedette db grants` prints.');
}
