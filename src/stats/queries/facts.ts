import type { Database, Queryable } from '../../postgres/database.ts';

export interface TableFacts {
  table: string;
  /** As PostgreSQL last estimated it; partitions together. -1 when it never did. */
  estimatedRows: number;
  /** Indexes and out-of-line values included. */
  bytes: number;
}

/** Size and counts of the database. */
export interface DatabaseFacts {
  database: string;
  schema: string;
  /** Of the server, e.g. `18.4`. */
  serverVersion: string;
  databaseBytes: number;
  tables: TableFacts[];
  jobs: { total: number; running: number };
  /** Counted by processors since the tables exist. */
  stream: { results: number; foreignResults: number; duplicates: number; fenced: number; deadLetters: number };
}

/** Reads catalogue and counters; only the small tables are scanned. */
export async function readDatabaseFacts(database: Database): Promise<DatabaseFacts> {
  const [server, tables, jobs, stream] = await Promise.all([
    database.query<{ version: string; bytes: number }>(
      `SELECT current_setting('server_version') AS version, pg_database_size(current_database())::bigint AS bytes`,
    ),
    database.query<TableFacts>(
      `SELECT c.relname AS table, coalesce(sum(greatest(p.reltuples, -1)), 0)::bigint AS "estimatedRows",
         coalesce(sum(pg_total_relation_size(p.oid)), 0)::bigint AS bytes
       FROM pg_class c
       LEFT JOIN LATERAL (
         SELECT leaf.oid, leaf.reltuples FROM pg_partition_tree(c.oid) AS tree
         JOIN pg_class leaf ON leaf.oid = tree.relid WHERE tree.isleaf OR c.relkind = 'r'
         UNION ALL
         SELECT c.oid, c.reltuples WHERE c.relkind = 'r' AND NOT EXISTS (SELECT FROM pg_partition_tree(c.oid))
       ) AS p ON true
       WHERE c.relnamespace = to_regnamespace(quote_ident($1)) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
       GROUP BY c.relname ORDER BY c.relname`,
      [database.schema],
    ),
    readJobCounts(database),
    readStreamCounts(database),
  ]);
  return {
    database: database.databaseName,
    schema: database.schema,
    serverVersion: server.rows[0]?.version ?? '',
    databaseBytes: server.rows[0]?.bytes ?? 0,
    tables: tables.rows,
    jobs,
    stream,
  };
}

async function readJobCounts(database: Queryable): Promise<DatabaseFacts['jobs']> {
  const { rows } = await database.query<DatabaseFacts['jobs']>(
    `SELECT count(*)::bigint AS total, count(*) FILTER (WHERE running)::bigint AS running
     FROM jobs WHERE deleted_at IS NULL`,
  );
  return rows[0] ?? { total: 0, running: 0 };
}

async function readStreamCounts(database: Queryable): Promise<DatabaseFacts['stream']> {
  const { rows } = await database.query<DatabaseFacts['stream']>(
    `SELECT coalesce(sum(results), 0)::bigint AS results, coalesce(sum(foreign_results), 0)::bigint AS "foreignResults",
       coalesce(sum(duplicates), 0)::bigint AS duplicates, coalesce(sum(fenced), 0)::bigint AS fenced,
       coalesce(sum(dead_letters), 0)::bigint AS "deadLetters"
     FROM stream_offsets`,
  );
  return rows[0] ?? { results: 0, foreignResults: 0, duplicates: 0, fenced: 0, deadLetters: 0 };
}
