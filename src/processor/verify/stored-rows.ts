import { COLUMNS } from '../../aggregates/columns.ts';
import { firstOf } from '../../core/first-of.ts';
import type { Queryable, Transaction } from '../../postgres/database.ts';
import type { ResultRow } from '../../stats/queries/results.ts';
import type { ScheduleSpan } from '../../stats/queries/spans.ts';
import type { PartitionCounters } from '../tables/offsets.ts';

/** A row of metrics as stored. */
export interface StoredMetricRow {
  granularity: string;
  jobId: number;
  location: string;
  /** Start of the bucket, ms since the epoch. */
  dtMs: number;
  /** Raised by every write: the same number is the same row. */
  writes: number;
  /** All other columns by name; bytes as hexadecimal digits. */
  values: Record<string, unknown>;
}

export interface MetricRange {
  granularity: string;
  fromMs: number;
  toMs: number;
}

/** How far a partition has been counted, with what became of its lines. */
export interface CountedOffset extends PartitionCounters {
  topic: string;
  partition: number;
  nextOffset: number | null;
  /** Records before it were counted before a reset of the tables. */
  firstOffset: number;
  /** Foreign lines of records before it were counted by their status alone. */
  plainUntil: number;
  /** Which topic of that name is meant; null when that is not known. */
  topicId: string | null;
}

/** A raw result as stored, with its place. */
export interface StoredResult extends ResultRow {
  /** Where its line begins in the record, in bytes; null in rows of before it was kept. */
  recordPosition: number | null;
}

/** A span whose slots the stream must hold, with the topic of its results. */
export interface VerifiedSpan extends Omit<ScheduleSpan, 'version'> {
  topic: string;
}

/** Makes the transaction one view of the database that may stay open for as long as reading the stream takes. */
export async function beginSnapshot(tx: Transaction): Promise<void> {
  await tx.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
  await tx.query('SET LOCAL idle_in_transaction_session_timeout = 0');
}

export async function countMetricRows(tx: Queryable, range: MetricRange): Promise<number> {
  const { rows } = await tx.query<{ rows: number }>(
    'SELECT count(*) AS rows FROM metrics WHERE granularity = $1 AND dt >= $2 AND dt < $3',
    [range.granularity, new Date(range.fromMs), new Date(range.toMs)],
  );
  return firstOf(rows).rows;
}

/** The rows of the range whose job_id modulo `parts` is `part`, a page at a time. */
export async function* readMetricRows(
  tx: Queryable,
  range: MetricRange,
  { part, parts }: { part: number; parts: number },
): AsyncGenerator<StoredMetricRow[]> {
  const pageRows = 5_000;
  let after: StoredMetricRow | undefined;
  for (;;) {
    const { rows } = await tx.query<Omit<StoredMetricRow, 'values'> & Record<string, unknown>>(
      `SELECT granularity, job_id AS "jobId", location, (extract(epoch FROM dt) * 1000)::bigint AS "dtMs", writes,
         ${VALUES}
       FROM metrics
       WHERE granularity = $1 AND dt >= $2 AND dt < $3 AND job_id % $4 = $5
         AND ($6::int IS NULL OR (job_id, location, dt) > ($6, $7, $8::timestamptz))
       ORDER BY job_id, location, dt LIMIT ${pageRows}`,
      [
        range.granularity,
        new Date(range.fromMs),
        new Date(range.toMs),
        parts,
        part,
        after?.jobId ?? null,
        after?.location ?? null,
        after ? new Date(after.dtMs) : null,
      ],
    );
    const page = rows.map(({ granularity, jobId, location, dtMs, writes, ...values }) => ({
      ...{ granularity, jobId, location, dtMs, writes, values },
    }));
    if (page.length > 0) yield page;
    if (page.length < pageRows) return;
    after = page[page.length - 1];
  }
}

/** Which metrics without a column rows of the range say that they keep, of those that are not `known`; rows without any are left out. */
export async function readRecordedMetrics(
  tx: Queryable,
  range: MetricRange,
  { part, parts }: { part: number; parts: number },
  known: readonly string[],
): Promise<Array<Pick<StoredMetricRow, 'granularity' | 'jobId' | 'location' | 'dtMs'> & { keys: string[] }>> {
  const { rows } = await tx.query<{ jobId: number; location: string; dtMs: number; keys: string[] }>(
    `SELECT job_id AS "jobId", location, (extract(epoch FROM dt) * 1000)::bigint AS "dtMs",
       ARRAY(SELECT jsonb_object_keys(extra - $6::text[]) ORDER BY 1) AS keys
     FROM metrics
     WHERE granularity = $1 AND dt >= $2 AND dt < $3 AND job_id % $4 = $5 AND extra - $6::text[] <> '{}'`,
    [range.granularity, new Date(range.fromMs), new Date(range.toMs), parts, part, known],
  );
  // Very many rows have the same few metrics.
  const lists = new Map<string, string[]>();
  return rows.map(({ keys, ...row }) => {
    const text = keys.join(' ');
    const list = lists.get(text) ?? keys;
    lists.set(text, list);
    return { ...row, granularity: range.granularity, keys: list };
  });
}

const VALUES = [
  ...COLUMNS.map(({ name, type }) => (type === 'bytea' ? `encode(${name}, 'hex') AS ${name}` : name)),
  'extra',
].join(', ');

export async function readCountedOffsets(tx: Queryable, topics: readonly string[]): Promise<CountedOffset[]> {
  const { rows } = await tx.query<CountedOffset>(
    `SELECT topic, partition, next_offset AS "nextOffset", coalesce(first_offset, 0) AS "firstOffset",
       coalesce(plain_until, 0) AS "plainUntil", topic_id AS "topicId", results, foreign_results AS "foreign",
       duplicates, fenced, dead_letters AS "deadLetters"
     FROM stream_offsets WHERE topic = ANY ($1) ORDER BY topic, partition`,
    [topics],
  );
  return rows;
}

/** Up to which offset foreign lines were counted by their status alone, by `topic partition`. */
export function plainOffsets(offsets: readonly CountedOffset[]): Map<string, number> {
  return new Map(offsets.map(({ topic, partition, plainUntil }) => [`${topic} ${partition}`, plainUntil]));
}

/** Raw results of [fromMs, toMs) whose job_id modulo `parts` is `part`, a page at a time, in no order. */
export async function* readRawResults(
  tx: Queryable,
  { fromMs, toMs }: { fromMs: number; toMs: number },
  { part, parts }: { part: number; parts: number },
): AsyncGenerator<StoredResult[]> {
  const range = [new Date(fromMs).toISOString(), new Date(toMs).toISOString()].map((text) => `'${text}'::timestamptz`);
  await tx.query(`DECLARE raw_results NO SCROLL CURSOR FOR
    SELECT job_id AS "jobId", location, (extract(epoch FROM at) * 1000)::bigint AS "atMs", epoch, slot, slots,
      period_ms AS "periodMs", ts, outcome, reason, status, rt AS "rtMicros", timings, bytes, attempt, detail, "values",
      coalesce(maintenance, false) AS maintenance, topic, partition, record_offset AS "recordOffset", record_position AS "recordPosition"
    FROM results WHERE at >= ${range[0]} AND at < ${range[1]} AND job_id % ${parts} = ${part}`);
  for (;;) {
    const { rows } = await tx.query<StoredResult>('FETCH 5000 FROM raw_results');
    if (rows.length === 0) break;
    yield rows;
  }
  await tx.query('CLOSE raw_results');
}

/** How many partitions results of each topic are routed by. */
export async function readRouting(tx: Queryable, topics: readonly string[]): Promise<Map<string, number>> {
  const { rows } = await tx.query<{ topic: string; partitions: number }>(
    'SELECT topic, partitions FROM stream_topics WHERE topic = ANY ($1)',
    [topics],
  );
  return new Map(rows.map(({ topic, partitions }) => [topic, partitions]));
}

/** The spans that overlap [fromMs, toMs). */
export async function readVerifiedSpans(tx: Queryable, fromMs: number, toMs: number): Promise<VerifiedSpan[]> {
  const { rows } = await tx.query<VerifiedSpan>(
    `SELECT job_id AS "jobId", location, topic, period_ms AS "periodMs", phase_ms AS "phaseMs",
       cron, cron_timezone AS "cronTimezone", from_slot AS "fromSlot", to_slot AS "toSlot", slot_count AS "slotCount"
     FROM schedule_spans
     WHERE from_slot < $2 AND (to_slot IS NULL OR to_slot >= $1) AND (to_slot IS NULL OR to_slot >= from_slot)
     ORDER BY job_id, location, from_slot`,
    [fromMs, toMs],
  );
  return rows;
}
