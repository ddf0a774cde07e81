import type { Queryable } from '../../postgres/database.ts';
import type { TimeRange } from '../time-range.ts';

/** A raw result as stored. Times are ms since the epoch, the response time integer microseconds. */
export interface ResultRow {
  jobId: number;
  location: string;
  atMs: number;
  /** null in a foreign line. */
  epoch: number | null;
  slot: number | null;
  slots: number;
  periodMs: number | null;
  ts: number;
  outcome: string;
  reason: string | null;
  status: string | null;
  rtMicros: number | null;
  timings: Record<string, number> | null;
  bytes: number | null;
  attempt: number | null;
  detail: string | null;
  /** Further numbers, by name. */
  values: Record<string, number> | null;
  /** Whether a window of maintenance held at the slot. */
  maintenance: boolean;
  topic: string;
  partition: number;
  recordOffset: number;
}

/** Where a page ended: the time of its last row, and its place in the stream, which tells rows of one instant apart. */
export interface ResultPosition {
  atMs: number;
  topic: string;
  partition: number;
  recordOffset: number;
  /** Where its line begins in the record, in bytes; -1 in rows that do not know it. */
  recordPosition: number;
}

export interface ResultsQuery extends TimeRange {
  jobId: number;
  location?: string | undefined;
  topic?: string | undefined;
  outcome?: string | undefined;
  limit: number;
  after?: ResultPosition | undefined;
}

export interface ResultsPage {
  results: ResultRow[];
  /** null when nothing follows. */
  next: ResultPosition | null;
}

const KEY = '(at, topic, partition, record_offset, coalesce(record_position, -1))';

/** Raw results of one job, newest first. */
export async function readResults(database: Queryable, query: ResultsQuery): Promise<ResultsPage> {
  const { after } = query;
  const toMs = after ? Math.min(query.toMs, after.atMs + 1) : query.toMs;
  const { rows } = await database.query<ResultRow & ResultPosition>(
    `SELECT job_id AS "jobId", location, (extract(epoch FROM at) * 1000)::bigint AS "atMs", epoch, slot, slots,
       period_ms AS "periodMs", ts, outcome, reason, status, rt AS "rtMicros", timings, bytes, attempt, detail, "values",
       coalesce(maintenance, false) AS maintenance, topic, partition, record_offset AS "recordOffset", coalesce(record_position, -1) AS "recordPosition"
     FROM results
     WHERE job_id = $1 AND at >= $2::timestamptz AND at < $3::timestamptz
       AND ($4::text IS NULL OR location = $4)
       AND ($5::text IS NULL OR topic = $5)
       AND ($6::text IS NULL OR outcome = $6)
       AND ($7::timestamptz IS NULL OR ${KEY} < ($7, $8::text, $9::integer, $10::bigint, $11::integer))
     ORDER BY at DESC, topic DESC, partition DESC, record_offset DESC, coalesce(record_position, -1) DESC
     LIMIT $12`,
    [
      query.jobId,
      new Date(query.fromMs).toISOString(),
      new Date(toMs).toISOString(),
      query.location ?? null,
      query.topic ?? null,
      query.outcome ?? null,
      after ? new Date(after.atMs).toISOString() : null,
      after?.topic ?? null,
      after?.partition ?? null,
      after?.recordOffset ?? null,
      after?.recordPosition ?? null,
      query.limit + 1,
    ],
  );
  const page = rows.slice(0, query.limit);
  const last = page.at(-1);
  const next = rows.length > query.limit && last ? positionOf(last) : null;
  return { results: page.map(({ recordPosition: _position, ...row }) => row), next };
}

function positionOf({ atMs, topic, partition, recordOffset, recordPosition }: ResultPosition): ResultPosition {
  return { atMs, topic, partition, recordOffset, recordPosition };
}
