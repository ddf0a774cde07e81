import { type Actor, systemActor, writeAudit } from '../access/audit.ts';
import type { Logger } from '../core/logger.ts';
import { retry } from '../core/retry.ts';
import { FIRST_DERIVED_ID } from '../jobs/derived-id.ts';
import type { Database, Transaction } from '../postgres/database.ts';
import { applyPending, explained, isKnown, loadMigrations, locked } from '../postgres/migrate.ts';
import { RESET_CHANNEL } from './resets.ts';

/**
 * The columns that a reset keeps, by table: no data, but the marks that tell old results from new ones. Job ids and
 * revisions are not used twice, epochs go on, and the stream is read on from where it was counted to.
 */
const KEPT: Readonly<Record<string, readonly string[]>> = {
  installation: ['resets', 'last_job_id', 'public_seen_at'],
  job_revision: ['value'],
  shard_leases: ['location', 'shard', 'epoch'],
  stream_topics: ['topic', 'partitions', 'counted'],
  stream_offsets: ['topic', 'partition', 'epoch', 'next_offset', 'topic_id'],
  stream_heads: ['topic', 'partition', 'next_offset', 'last_at'],
  instances: ['instance_id', 'roles', 'location', 'version', 'started_at', 'seen_at', 'stats', 'is_public'],
};

/** Tables that are not dropped at all: who may do what, and what was done. Their migrations may be repeated. */
const UNTOUCHED = ['api_keys', 'users', 'sessions', 'sign_in_failures', 'audit', 'idempotency_keys'];

const LOCK_MS = 700;
/** Lock not available, deadlock detected: others use the tables at this moment. */
const BUSY = new Set(['55P03', '40P01']);

interface KeptRows {
  table: string;
  columns: string[];
  /** JSON text, so that no number is rounded. */
  rows: string;
}

/**
 * Drops everything that migrations made and makes it again, in one transaction: users of the tables wait for a moment and
 * go on. All data is lost; keys, users, their sessions and the audit stay, and so do objects of others in the same schema.
 * Returns the names of all migrations.
 */
export function reset(database: Database, options: { logger?: Logger; actor?: Actor } = {}): Promise<string[]> {
  const { actor = systemActor() } = options;
  return explained(database, async () => {
    const migrations = await loadMigrations();
    const work = () =>
      locked(database, async (tx) => {
        // Given up sooner than PostgreSQL would end another's transaction for a deadlock.
        await tx.query(`SET LOCAL lock_timeout = '${LOCK_MS}ms'`);
        const wasThere = await isKnown(tx, database.schema);
        const kept = wasThere ? await readKept(tx) : [];
        const lastJobId = wasThere ? await readLastJobId(tx) : 0;
        if (wasThere) await dropAll(tx);
        const names = await applyPending(tx, migrations, database.schema);
        for (const rows of kept) await restore(tx, rows);
        await divide(tx, lastJobId);
        await writeAudit(tx, actor, [{ action: 'database.reset', subject: 'database', before: null, after: null }]);
        await database.notify(RESET_CHANNEL, '', tx);
        return names;
      });
    const isBusy = (error: unknown) => BUSY.has(String((error as { code?: unknown }).code));
    const applied = await retry(work, { maxDelayMs: 1_000, isRetryable: isBusy });
    options.logger?.warn({ database: database.databaseName, schema: database.schema }, 'database reset');
    return applied;
  });
}

async function dropAll(tx: Transaction): Promise<void> {
  const { rows } = await tx.query<{ objects: string[] }>('SELECT objects FROM schema_migrations ORDER BY number DESC');
  const untouched = new Set(UNTOUCHED.map((table) => `TABLE IF EXISTS ${table}`));
  for (const object of rows.flatMap(({ objects }) => objects)) {
    if (!untouched.has(object)) await tx.query(`DROP ${object} CASCADE`);
  }
  await tx.query('DROP TABLE schema_migrations');
}

/** Tables of an earlier version may lack a column, or not be there. */
async function readKept(tx: Transaction): Promise<KeptRows[]> {
  const kept: KeptRows[] = [];
  for (const [table, wanted] of Object.entries(KEPT)) {
    const { rows: known } = await tx.query<{ name: string }>(
      `SELECT attname AS name FROM pg_attribute
       WHERE attrelid = to_regclass($1) AND attname = ANY ($2) AND NOT attisdropped`,
      [table, wanted],
    );
    const columns = known.map(({ name }) => name);
    if (columns.length === 0) continue;
    const { rows } = await tx.query<{ rows: string }>(
      `SELECT coalesce(json_agg(kept), '[]')::text AS rows FROM (SELECT ${columns.join(', ')} FROM ${table}) AS kept`,
    );
    kept.push({ table, columns, rows: rows[0]?.rows ?? '[]' });
  }
  return kept;
}

async function readLastJobId(tx: Transaction): Promise<number> {
  const { rows } = await tx.query<{ last: number }>(
    'SELECT coalesce(max(job_id), 0) AS last FROM jobs WHERE job_id < $1',
    [FIRST_DERIVED_ID],
  );
  return rows[0]?.last ?? 0;
}

async function restore(tx: Transaction, { table, columns, rows }: KeptRows): Promise<void> {
  // A migration has put the only row of some tables there.
  await tx.query(`DELETE FROM ${table}`);
  const names = columns.join(', ');
  await tx.query(
    `INSERT INTO ${table} (${names}) SELECT ${names} FROM json_populate_recordset(NULL::${table}, $1::json)`,
    [rows],
  );
}

/** Draws the line between before and after. */
async function divide(tx: Transaction, lastJobId: number): Promise<void> {
  await tx.query('UPDATE installation SET resets = resets + 1, last_job_id = greatest(last_job_id, $1)', [lastJobId]);
  await tx.query('UPDATE job_revision SET value = value + 1');
  // Schedulers that check now have no lease from here on; their results, in the stream or under way, are old ones.
  await tx.query('INSERT INTO epoch_floors SELECT location, shard, epoch FROM shard_leases WHERE epoch > 0');
  // The embedded stream lost its records with its tables: there is nothing to be read below its heads. A processor
  // that counts now cannot write any more, because the epoch is another one, and claims the partition again.
  await tx.query(`
    INSERT INTO stream_offsets (topic, partition, next_offset)
    SELECT h.topic, h.partition, h.next_offset FROM stream_heads h JOIN stream_topics t ON t.topic = h.topic
    WHERE t.counted
    ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset`);
  await tx.query('UPDATE stream_offsets SET epoch = epoch + 1, first_offset = next_offset');
}
