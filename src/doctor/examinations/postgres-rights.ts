import { VedetteError } from '../../errors.ts';
import type { Database } from '../../postgres/database.ts';
import { FUNCTIONS, RELATIONS } from '../../postgres/grants.ts';
import { pendingMigrations } from '../../postgres/migrate.ts';
import { type Examination, type Finding, ok, problem, warning } from '../examination.ts';

/** Missing privileges, of the given ones whose relations and functions exist. */
const MISSING_RIGHTS = `
  SELECT name || ' (' || string_agg(privilege, ', ') || ')' AS missing
  FROM unnest($1::text[], $2::text[]) AS wanted (name, privilege)
  WHERE NOT has_table_privilege(to_regclass(name), privilege) GROUP BY name
  UNION ALL
  SELECT signature || ' (EXECUTE)' FROM unnest($3::text[]) AS signature
  WHERE NOT has_function_privilege(to_regprocedure(signature), 'EXECUTE')
  UNION ALL
  SELECT 'the database (TEMPORARY)' WHERE NOT has_database_privilege(current_database(), 'TEMPORARY')
  ORDER BY missing`;

const MAY_CREATE = `
  SELECT current_user AS "user", CASE WHEN EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)
    THEN has_schema_privilege($1, 'CREATE') ELSE has_database_privilege(current_database(), 'CREATE') END AS may`;

export const postgresRights: Examination = {
  name: 'postgres.rights',
  settings: ['database', 'data_dir', 'storage.schema'],
  async examine(context) {
    const database = await context.database();
    if (!database) return [];
    let pending: string[];
    try {
      pending = await pendingMigrations(database);
    } catch (error) {
      return [unreadable(error)];
    }
    if (pending.length > 0) return [await judgePending(database, pending)];
    const { rows } = await database.query<{ missing: string }>(MISSING_RIGHTS, neededRights());
    return [ok('postgres.migrations', `all applied, in schema ${database.schema}`), judgeRights(rows)];
  },
};

/** Returns the privileges of the user that runs Vedette. */
function neededRights(): [names: string[], privileges: string[], signatures: string[]] {
  const pairs = Object.entries(RELATIONS).flatMap(([name, { writer }]) =>
    (writer?.split(', ') ?? []).map((privilege) => ({ name, privilege })),
  );
  const called = Object.entries(FUNCTIONS).filter(([, caller]) => caller !== null);
  return [
    pairs.map(({ name }) => name),
    pairs.map(({ privilege }) => privilege),
    called.map(([signature]) => signature),
  ];
}

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
  const missing = rows.map((row) => row.missing).join(', ');
  return problem('postgres.rights', `missing: ${missing}`, 'Let its owner run what `vedette db grants` prints.');
}

/** The database is of a newer version, a migration was edited, or the list of migrations may not be read. */
function unreadable(error: unknown): Finding {
  if (!(error instanceof VedetteError)) throw error;
  if (error.code === 'VED_DATABASE_FORBIDDEN') {
    return problem('postgres.rights', error.message, 'Let its owner run what `vedette db grants` prints.');
  }
  return problem('postgres.migrations', error.message, 'Run the version of Vedette that belongs to this database.');
}
