import type { Queryable } from './database.ts';
import type { TimeRange } from './queries-spans.ts';

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
  topic: string;
  partition: number;
  recordOffset: number;
}

/** Where a page ended: the time of its last row and that row's place in the table, which tells rows of one instant apart. */
export interface ResultPosition {
  atMs: number;
  tid: string;
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

/** Raw results of one job, newest first. The table is only ever appended to, so a row keeps its place. */
export async function readResults(database: Queryable, query: ResultsQuery): Promise<ResultsPage> {
  const toMs = query.after ? Math.min(query.toMs, query.after.atMs + 1) : query.toMs;
  const { rows } = await database.query<ResultRow & { tid: string }>(
    `SELECT job_id AS "jobId", location, (extract(epoch FROM at) * 1000)::bigint AS "atMs", epoch, slot, slots,
       period_ms AS "periodMs", ts, outcome, reason, status, rt AS "rtMicros", timings, bytes, attempt, detail, topic,
       partition, record_offset AS "recordOffset", ctid::text AS tid
     FROM results
     WHERE job_id = $1 AND at >= $2::timestamptz AND at < $3::timestamptz
       AND ($4::text IS NULL OR location = $4)
       AND ($5::text IS NULL OR topic = $5)
       AND ($6::text IS NULL OR outcome = $6)
       AND ($7::timestamptz IS NULL OR at < $7::timestamptz OR (at = $7::timestamptz AND ctid < $8::tid))
     ORDER BY at DESC, ctid DESC
     LIMIT $9`,
    [
      query.jobId,
      new Date(query.fromMs).toISOString(),
      new Date(toMs).toISOString(),
      query.location ?? null,
      query.topic ?? null,
      query.outcome ?? null,
      query.after ? new Date(query.after.atMs).toISOString() : null,
      query.after?.tid ?? null,
      query.limit + 1,
    ],
  );
  const page = rows.slice(0, query.limit);
  const last = page.at(-1);
  const next = rows.length > query.limit && last ? { atMs: last.atMs, tid: last.tid } : null;
  return { results: page.map(({ tid: _tid, ...row }) => row), next };
}
