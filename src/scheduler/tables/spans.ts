import { shardOf, shardSql } from '../../jobs/shard.ts';
import type { Database } from '../../postgres/database.ts';

/** A span that is open: the series runs from `fromSlot` on under one definition. */
export interface OpenSpan {
  jobId: number;
  version: number;
  /** Both null for a cron expression. */
  periodMs: number | null;
  phaseMs: number | null;
  cron: string | null;
  cronTimezone: string | null;
  topic: string;
  /** Epoch of the shard when it was opened. */
  epoch: number;
  fromSlot: number;
}

/** An order to end a span: at `toSlot`, its last slot, or at `fromSlot - 1` when it had none. */
interface SpanEnd {
  jobId: number;
  fromSlot: number;
  toSlot: number;
  slotCount: number;
  /** Of the shard's lease now. */
  epoch: number;
}

/** One change of a series' spans: end one, begin one, or both at once. */
export interface SpanChange {
  jobId: number;
  /** Of the shard's lease now. */
  epoch: number;
  end?: SpanEnd;
  begin?: OpenSpan;
}

/**
 * The spans in which jobs run at a location (table schedule_spans): every slot that is due lies in a span that was stored
 * before it is checked. Errors of the database are thrown as they come; every call may be repeated.
 */
export interface SpanStore {
  /** All open spans of jobs in these shards. */
  loadOpen(shards: readonly number[]): Promise<OpenSpan[]>;
  /**
   * Applies many changes in one statement, each only if this owner still holds the shard's lease at the given epoch (the
   * lease rows are locked meanwhile, so that a takeover waits and then sees the outcome). Returns the jobs whose change
   * stands, also when an earlier attempt with an unknown outcome had made it.
   */
  apply(changes: readonly SpanChange[]): Promise<Set<number>>;
}

export interface SpanStoreOptions {
  database: Database;
  location: string;
  /** As given to the lease store. */
  owner: string;
}

export function createSpanStore({ database, location, owner }: SpanStoreOptions): SpanStore {
  return {
    async loadOpen(shards) {
      const { rows } = await database.query<OpenSpan>(LOAD_OPEN, [location, shards]);
      return rows;
    },

    async apply(changes) {
      const shards = [...new Set(changes.map(({ jobId }) => shardOf(jobId)))];
      const ends = changes.filter(({ end }) => end).map(({ end }) => end as SpanEnd);
      const begins = changes
        .filter(({ begin }) => begin)
        .map(({ begin, epoch }) => ({ ...(begin as OpenSpan), epoch }));
      return database.transaction(async (tx) => {
        const leases = await tx.query<{ shard: number; epoch: number }>(LOCK_LEASES, [location, owner, shards]);
        const epochs = new Map(leases.rows.map(({ shard, epoch }) => [shard, epoch]));
        const held = (change: { jobId: number; epoch: number }) => epochs.get(shardOf(change.jobId)) === change.epoch;
        const standing = new Set(changes.filter(held).map(({ jobId }) => jobId));
        await endSpans(tx, ends.filter(held));
        const heldBegins = begins.filter(held);
        await beginSpans(tx, heldBegins);
        for (const jobId of await notBegun(tx, heldBegins)) standing.delete(jobId);
        return standing;
      });
    },
  };

  async function endSpans(tx: Pick<Database, 'query'>, ends: readonly SpanEnd[]): Promise<void> {
    if (ends.length === 0) return;
    await tx.query(END, [
      location,
      ends.map(({ jobId }) => jobId),
      ends.map(({ fromSlot }) => fromSlot),
      ends.map(({ toSlot }) => toSlot),
      ends.map(({ slotCount }) => slotCount),
    ]);
  }

  async function beginSpans(tx: Pick<Database, 'query'>, spans: readonly OpenSpan[]): Promise<void> {
    if (spans.length === 0) return;
    await tx.query(BEGIN, [
      location,
      spans.map(({ jobId }) => jobId),
      spans.map(({ version }) => version),
      spans.map(({ periodMs }) => periodMs),
      spans.map(({ phaseMs }) => phaseMs),
      spans.map(({ cron }) => cron),
      spans.map(({ cronTimezone }) => cronTimezone),
      spans.map(({ topic }) => topic),
      spans.map(({ epoch }) => epoch),
      spans.map(({ fromSlot }) => fromSlot),
    ]);
  }

  async function notBegun(tx: Pick<Database, 'query'>, spans: readonly OpenSpan[]): Promise<number[]> {
    if (spans.length === 0) return [];
    const { rows } = await tx.query<{ jobId: number }>(NOT_BEGUN, [
      location,
      spans.map(({ jobId }) => jobId),
      spans.map(({ version }) => version),
      spans.map(({ fromSlot }) => fromSlot),
    ]);
    return rows.map(({ jobId }) => jobId);
  }
}

const LOAD_OPEN = `
  SELECT job_id AS "jobId", version, period_ms AS "periodMs", phase_ms AS "phaseMs", cron,
    cron_timezone AS "cronTimezone", topic, epoch, from_slot AS "fromSlot"
  FROM schedule_spans
  WHERE location = $1 AND to_slot IS NULL AND ${shardSql('job_id')} = ANY($2::bigint[])`;

const LOCK_LEASES = `
  SELECT shard, epoch FROM shard_leases
  WHERE location = $1 AND owner = $2 AND shard = ANY($3::smallint[])
  ORDER BY shard FOR SHARE`;

const END = `
  UPDATE schedule_spans AS span SET to_slot = given.to_slot, slot_count = given.slot_count
  FROM unnest($2::integer[], $3::bigint[], $4::bigint[], $5::bigint[]) AS given (job_id, from_slot, to_slot, slot_count)
  WHERE span.location = $1 AND span.job_id = given.job_id AND span.from_slot = given.from_slot AND span.to_slot IS NULL`;

// A span that ended before its first slot may begin again at that slot. One that would reach back into an older
// span (clocks of two machines differ) is not begun: its caller tries again later.
const BEGIN = `
  INSERT INTO schedule_spans AS span
    (location, job_id, version, period_ms, phase_ms, cron, cron_timezone, topic, epoch, from_slot)
  SELECT $1, given.* FROM unnest($2::integer[], $3::integer[], $4::bigint[], $5::bigint[], $6::text[], $7::text[],
    $8::text[], $9::bigint[], $10::bigint[])
    AS given (job_id, version, period_ms, phase_ms, cron, cron_timezone, topic, epoch, from_slot)
  WHERE NOT EXISTS (
    SELECT FROM schedule_spans AS older
    WHERE older.job_id = given.job_id AND older.location = $1
      AND (older.to_slot IS NULL OR older.to_slot >= given.from_slot)
  )
  ON CONFLICT (job_id, location, from_slot, version) DO UPDATE
  SET to_slot = NULL, slot_count = NULL, period_ms = excluded.period_ms, phase_ms = excluded.phase_ms,
    cron = excluded.cron, cron_timezone = excluded.cron_timezone, topic = excluded.topic, epoch = excluded.epoch
  WHERE span.to_slot < span.from_slot`;

const NOT_BEGUN = `
  SELECT given.job_id AS "jobId"
  FROM unnest($2::integer[], $3::integer[], $4::bigint[]) AS given (job_id, version, from_slot)
  WHERE NOT EXISTS (
    SELECT FROM schedule_spans AS span
    WHERE span.job_id = given.job_id AND span.location = $1 AND span.version = given.version
      AND span.from_slot = given.from_slot AND span.to_slot IS NULL
  )`;
