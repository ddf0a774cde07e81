import type { Queryable } from './database.ts';

/** The roles of PostgreSQL that Vedette is run and read with. */
export interface DatabaseUsers {
  /** Owns everything of Vedette; makes and migrates the tables. */
  migrator: string;
  /** Runs Vedette: rows of its tables, and partitions through functions. */
  writers: readonly string[];
  /** Looks at numbers: no definition of a job, which may hold secrets, and nothing to change. */
  readers: readonly string[];
}

/** The privileges of a user on a table or view, as in GRANT; null: none. */
interface Rights {
  writer: string | null;
  reader: string | null;
}

const ALL_ROWS = 'SELECT, INSERT, UPDATE, DELETE';
const shared = (writer: string): Rights => ({ writer, reader: 'SELECT' });

/** Every table and view of Vedette; a test compares this with what migrations make. */
export const RELATIONS: Readonly<Record<string, Rights>> = {
  schema_migrations: shared('SELECT'),
  granted_roles: { writer: null, reader: null },
  installation: shared('SELECT, UPDATE'),
  epoch_floors: shared('SELECT'),
  job_revision: { writer: 'SELECT, UPDATE', reader: null },
  jobs: {
    writer: 'SELECT, INSERT, UPDATE',
    reader: 'SELECT (job_id, version, running, source, revision, created_at, updated_at, deleted_at)',
  },
  job_versions: { writer: 'SELECT, INSERT', reader: 'SELECT (job_id, version, valid_from)' },
  scheduler_members: shared(ALL_ROWS),
  shard_leases: shared('SELECT, INSERT, UPDATE'),
  schedule_spans: shared('SELECT, INSERT, UPDATE'),
  series_progress: shared('SELECT, INSERT, UPDATE'),
  stream_offsets: shared('SELECT, INSERT, UPDATE'),
  stream_topics: shared('SELECT, INSERT'),
  // The bytes of an unreadable line might hold anything.
  dead_letters: {
    writer: 'SELECT, INSERT, DELETE',
    reader: 'SELECT (id, topic, partition, record_offset, line, kind, at)',
  },
  metrics: shared('SELECT, INSERT, UPDATE'),
  results: shared('SELECT, INSERT'),
  instances: shared(ALL_ROWS),
  stream_heads: shared('SELECT, INSERT, UPDATE'),
  stream_records: { writer: 'SELECT, INSERT', reader: null },
  stream_members: shared(ALL_ROWS),
  stream_leases: shared('SELECT, INSERT, UPDATE'),
  api_keys: { writer: 'SELECT, INSERT, UPDATE', reader: null },
  users: { writer: ALL_ROWS, reader: null },
  sessions: { writer: ALL_ROWS, reader: null },
  sign_in_failures: { writer: ALL_ROWS, reader: null },
  audit: { writer: 'SELECT, INSERT', reader: null },
  idempotency_keys: { writer: ALL_ROWS, reader: null },
  push_tokens: { writer: ALL_ROWS, reader: null },
  push_reports: { writer: ALL_ROWS, reader: null },
  stats: shared('SELECT'),
  check_results: shared('SELECT'),
  job_checks: shared('SELECT'),
  job_names: shared('SELECT'),
};

/** Every function of Vedette with its callers; null: called only by other functions, with the rights of their owner. */
export const FUNCTIONS: Readonly<Record<string, 'writer' | 'both' | null>> = {
  'partition_unit(text)': null,
  'is_partition(text)': null,
  'ensure_range_partitions(text, text, integer, timestamptz, timestamptz, text)': null,
  'ensure_metric_partition(text, timestamptz, timestamptz)': 'writer',
  'ensure_result_partition(timestamptz, timestamptz)': 'writer',
  'ensure_stream_partition(timestamptz, timestamptz)': 'writer',
  'ensure_audit_partition(timestamptz, timestamptz)': 'writer',
  'drop_expired_partitions(text, text, timestamptz)': 'writer',
  'ensure_topic_view(text)': 'writer',
  'refuse_change()': null,
  'expire_job_versions(integer[], timestamptz, integer)': 'writer',
  'expire_spans(bigint)': 'writer',
  'take_report(text, bigint, uuid, text, text, bigint, jsonb, integer, text)': 'writer',
  'await_reports(integer[])': 'writer',
  'find_reports(integer[], bigint[], bigint)': 'writer',
  'masked_address(text, jsonb)': 'both',
  'masked_text(text, jsonb)': 'both',
  'due_slots(integer, timestamptz, timestamptz)': 'both',
  'histogram_of(integer[], bigint[])': 'both',
  'histogram_bins(bytea)': 'both',
  'histogram_sum(bytea[])': 'both',
  'histogram_merge(bytea)': 'both',
  'histogram_percentile(double precision, bytea)': 'both',
};

/**
 * SQL that makes the users where they are missing and gives them their rights, no more, in the database it is run in. It
 * may be repeated. The tables may be made before or after: `migrate` gives the rights again to the users recorded here.
 */
export function grantsSql(schema: string, users: DatabaseUsers): string {
  return [usersSql(schema, users), schemaSql(schema, users), objectsSql(schema, users)].join('\n');
}

/** Gives the objects of a new migration the owner and the rights that `grantsSql` gave to the earlier ones. */
export async function keepGrants(tx: Queryable, schema: string): Promise<void> {
  const known = await tx.query('SELECT FROM pg_class WHERE relname = $1 AND relnamespace = $2::regnamespace', [
    'granted_roles',
    quote(schema),
  ]);
  if (known.rowCount === 0) return;
  const { rows } = await tx.query<{ kind: string; name: string }>(
    'SELECT g.kind, g.role_name AS name FROM granted_roles g JOIN pg_roles r ON r.rolname = g.role_name ORDER BY 1, 2',
  );
  const named = (kind: string) => rows.filter((row) => row.kind === kind).map(({ name }) => name);
  const [migrator] = named('migrator');
  if (migrator === undefined) return;
  await tx.query(objectsSql(schema, { migrator, writers: named('writer'), readers: named('reader') }));
}

function usersSql(schema: string, { migrator, writers, readers }: DatabaseUsers): string {
  const all = [migrator, ...writers, ...readers];
  const missing = (name: string) => `NOT EXISTS (SELECT FROM pg_roles WHERE rolname = ${literal(name)})`;
  return `-- Users, made without a password where they are missing.
${doBlock([
  ...all.map((name) => `IF ${missing(name)} THEN CREATE ROLE ${quote(name)} LOGIN; END IF;`),
  '-- Without being a superuser, one gives things only to a role that one belongs to.',
  `IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = current_user AND (rolsuper OR rolname = ${literal(migrator)})) THEN`,
  `  GRANT ${quote(migrator)} TO CURRENT_USER;`,
  'END IF;',
  `EXECUTE format('GRANT CONNECT ON DATABASE %I TO ${inFormat(list(all))}', current_database());`,
  '-- A temporary table is how many rows are written at once.',
  `EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO ${inFormat(list(writers))}', current_database());`,
  `IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = ${literal(schema)}) THEN CREATE SCHEMA ${quote(schema)}; END IF;`,
])}`;
}

function schemaSql(schema: string, { migrator, writers, readers }: DatabaseUsers): string {
  const name = quote(schema);
  const others = list([...writers, ...readers]);
  const recorded = [
    `('migrator', ${literal(migrator)})`,
    ...writers.map((writer) => `('writer', ${literal(writer)})`),
    ...readers.map((reader) => `('reader', ${literal(reader)})`),
  ];
  return `-- Only the migrator makes anything in the schema: what others could put there might be called in place of ours.
REVOKE CREATE ON SCHEMA ${name} FROM PUBLIC;
${
  // The schema public belongs to the database.
  schema === 'public'
    ? `GRANT USAGE, CREATE ON SCHEMA ${name} TO ${quote(migrator)};`
    : `ALTER SCHEMA ${name} OWNER TO ${quote(migrator)};`
}
REVOKE ALL ON SCHEMA ${name} FROM ${others};
GRANT USAGE ON SCHEMA ${name} TO ${others};

-- To whom migrations give rights on what they make.
CREATE TABLE IF NOT EXISTS ${name}.granted_roles (kind text, role_name text, PRIMARY KEY (kind, role_name));
ALTER TABLE ${name}.granted_roles OWNER TO ${quote(migrator)};
REVOKE ALL ON ${name}.granted_roles FROM PUBLIC, ${others};
DELETE FROM ${name}.granted_roles
WHERE kind = 'migrator' OR role_name IN (${[migrator, ...writers, ...readers].map(literal).join(', ')});
INSERT INTO ${name}.granted_roles (kind, role_name) VALUES ${recorded.join(', ')};
`;
}

function objectsSql(schema: string, { migrator, writers, readers }: DatabaseUsers): string {
  const inSchema = (name: string) => `${quote(schema)}.${name}`;
  const both = [...writers, ...readers];
  const everybody = ['PUBLIC', ...both.map(quote)].join(', ');
  const statements: string[] = [];
  const grant = (rights: string | null, object: string, names: readonly string[]) => {
    if (rights && names.length > 0) statements.push(`GRANT ${rights} ON ${object} TO ${list(names)};`);
  };
  for (const [name, rights] of Object.entries(RELATIONS)) {
    statements.push(`REVOKE ALL ON ${inSchema(name)} FROM ${everybody};`);
    grant(rights.writer, inSchema(name), writers);
    grant(rights.reader, inSchema(name), readers);
  }
  for (const [signature, callers] of Object.entries(FUNCTIONS)) {
    const object = `FUNCTION ${inSchema(signature)}`;
    if (callers !== 'both') statements.push(`REVOKE ALL ON ${object} FROM ${everybody};`);
    if (callers) grant('EXECUTE', object, callers === 'both' ? both : writers);
  }
  return `-- Tables, views and functions, if they are there.
${doBlock(
  [
    'IF NOT EXISTS (SELECT FROM pg_attribute',
    `  WHERE attrelid = to_regclass(${literal(inSchema('schema_migrations'))}) AND attname = 'checksum') THEN`,
    '  RETURN;',
    'END IF;',
    ...ownershipSql(schema, migrator),
    ...statements,
    `FOR object IN SELECT oid::regclass::text FROM pg_class WHERE ${isTopicView(schema)} LOOP`,
    `  EXECUTE format('REVOKE ALL ON %s FROM ${inFormat(everybody)}', object);`,
    ...(both.length > 0 ? [`  EXECUTE format('GRANT SELECT ON %s TO ${inFormat(list(both))}', object);`] : []),
    'END LOOP;',
  ],
  'object text;',
)}`;
}

/** Transfers the objects of an earlier user to the migrator, partitions and views of topics included. */
function ownershipSql(schema: string, migrator: string): string[] {
  const space = `${literal(quote(schema))}::regnamespace`;
  const owner = `${literal(quote(migrator))}::regrole`;
  const names = (all: readonly string[]) => `ARRAY[${all.map(literal).join(', ')}]`;
  const signatures = Object.keys(FUNCTIONS).map((signature) => `${quote(schema)}.${signature}`);
  return [
    'FOR object IN',
    "  SELECT 'TABLE ' || c.oid::regclass FROM pg_class c LEFT JOIN pg_class root ON root.oid = pg_partition_root(c.oid)",
    `  WHERE c.relnamespace = ${space} AND c.relkind IN ('r', 'p', 'v') AND c.relowner <> ${owner}`,
    `    AND (coalesce(root.relname, c.relname) = ANY (${names(Object.keys(RELATIONS))}) OR c.oid IN (`,
    `      SELECT oid FROM pg_class WHERE ${isTopicView(schema)}))`,
    "  UNION ALL SELECT 'ROUTINE ' || oid::regprocedure FROM pg_proc",
    `  WHERE proowner <> ${owner} AND oid IN (SELECT to_regprocedure(f) FROM unnest(${names(signatures)}) f)`,
    'LOOP',
    `  EXECUTE 'ALTER ' || object || ' OWNER TO ' || ${literal(quote(migrator))};`,
    'END LOOP;',
  ];
}

/** As ensure_topic_view() marks them. */
function isTopicView(schema: string): string {
  return (
    `relkind = 'v' AND relnamespace = ${literal(quote(schema))}::regnamespace ` +
    `AND obj_description(oid, 'pg_class') = 'Results of this topic; made by Vedette.'`
  );
}

function doBlock(statements: readonly string[], declare?: string): string {
  const body = statements.map((statement) => `  ${statement}`).join('\n');
  let tag = '$vedette$';
  while (body.includes(tag)) tag = `${tag.slice(0, -1)}_$`;
  return `DO ${tag}${declare ? `\nDECLARE ${declare}` : ''}\nBEGIN\n${body}\nEND ${tag};\n`;
}

/** Text within the quotes of format()'s first argument. */
const inFormat = (text: string): string => text.replaceAll("'", "''").replaceAll('%', '%%');
const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;
const list = (names: readonly string[]): string => names.map(quote).join(', ');
const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;
