import type { Queryable } from '../../postgres/database.ts';
import type { TimeRange } from '../time-range.ts';

/** The time during which a job ran under one definition, at one location. Times are ms since the epoch. */
export interface ScheduleSpan {
  jobId: number;
  location: string;
  version: number;
  /** null when a cron expression says when. */
  periodMs: number | null;
  phaseMs: number | null;
  cron: string | null;
  cronTimezone: string | null;
  fromSlot: number;
  /** Its last slot; null while it runs. */
  toSlot: number | null;
  /** How many slots it had; null while it runs. */
  slotCount: number | null;
}

/** How many slots a cron expression has in [fromMs, toMs], both included. */
export type CronSlotCounter = (cron: string, timezone: string | null, fromMs: number, toMs: number) => number;

/** Whether a span overlaps a range; both are placeholders or expressions of ms since the epoch. */
export const overlapsSql = (fromMs: string, toMs: string): string =>
  `from_slot < ${toMs} AND (to_slot IS NULL OR to_slot >= ${fromMs})`;

const SPANS = `
  SELECT job_id AS "jobId", location, version, period_ms AS "periodMs", phase_ms AS "phaseMs", cron,
    cron_timezone AS "cronTimezone", from_slot AS "fromSlot", to_slot AS "toSlot", slot_count AS "slotCount"
  FROM schedule_spans`;

/** The spans of one job (at one location, or all) that overlap the range, oldest first. */
export async function readSpans(
  database: Queryable,
  query: TimeRange & { jobId: number; location?: string | undefined },
): Promise<ScheduleSpan[]> {
  const { rows } = await database.query<ScheduleSpan>(
    `${SPANS}
     WHERE job_id = $1 AND ${overlapsSql('$2', '$3')}
       AND ($4::text IS NULL OR location = $4)
     ORDER BY from_slot, location, version`,
    [query.jobId, query.fromMs, query.toMs, query.location ?? null],
  );
  return rows;
}

/** The spans of several jobs that overlap the range, in no order. */
export async function readSpansOf(
  database: Queryable,
  { jobIds, fromMs, toMs }: TimeRange & { jobIds: readonly number[] },
): Promise<ScheduleSpan[]> {
  const { rows } = await database.query<ScheduleSpan>(
    `${SPANS} WHERE job_id = ANY($1::integer[]) AND ${overlapsSql('$2', '$3')}`,
    [jobIds, fromMs, toMs],
  );
  return rows;
}

/** The spans that are open now: one per running job and location. */
export async function readOpenSpans(database: Queryable, jobIds: readonly number[]): Promise<ScheduleSpan[]> {
  const { rows } = await database.query<ScheduleSpan>(
    `${SPANS} WHERE job_id = ANY($1::integer[]) AND to_slot IS NULL ORDER BY job_id, location`,
    [jobIds],
  );
  return rows;
}

/** How many jobs run at these locations; one that runs at several is one. */
export async function countRunningJobs(database: Queryable, locations: readonly string[]): Promise<number> {
  const { rows } = await database.query<{ jobs: number }>(
    `SELECT count(*)::integer AS jobs
     FROM (SELECT DISTINCT job_id FROM schedule_spans WHERE to_slot IS NULL AND location = ANY($1::text[])) AS running`,
    [locations],
  );
  return rows[0]?.jobs ?? 0;
}

/**
 * How many slots of the spans were due in the range, up to `nowMs`. Slots lie on phase + k * period; those of a cron
 * expression are counted by `cronSlots`.
 */
export function countDue(
  spans: readonly ScheduleSpan[],
  range: TimeRange,
  nowMs: number,
  cronSlots: CronSlotCounter,
): number {
  let due = 0;
  for (const span of spans) {
    const first = Math.max(span.fromSlot, range.fromMs);
    const last = Math.min(span.toSlot ?? nowMs, range.toMs - 1, nowMs);
    if (last < first) continue;
    if (span.periodMs !== null) {
      const phaseMs = span.phaseMs ?? 0;
      due += Math.floor((last - phaseMs) / span.periodMs) - Math.ceil((first - phaseMs) / span.periodMs) + 1;
    } else if (first === span.fromSlot && last === span.toSlot && span.slotCount !== null) {
      due += span.slotCount;
    } else if (span.cron !== null) {
      due += cronSlots(span.cron, span.cronTimezone, first, last);
    }
  }
  return due;
}

/** The first slot after `nowMs` of an open span; null for a cron expression, which only its scheduler can read. */
export function nextSlotOf(span: ScheduleSpan, nowMs: number): number | null {
  if (span.periodMs === null || span.toSlot !== null) return null;
  const phaseMs = span.phaseMs ?? 0;
  const next = phaseMs + (Math.floor((nowMs - phaseMs) / span.periodMs) + 1) * span.periodMs;
  return Math.max(next, span.fromSlot);
}
