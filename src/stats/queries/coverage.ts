import type { Queryable } from '../../postgres/database.ts';
import { type Coverage, type OutcomeTally, type SlotTally, sumTallies, toCoverage } from '../outcomes.ts';
import type { TimeRange } from '../time-range.ts';
import { isScheduledSql, slotTallySql } from './scheduled.ts';
import { type CronSlotCounter, countDue, readSpans, readSpansOf, type ScheduleSpan } from './spans.ts';

interface TallyQuery extends TimeRange {
  jobId: number;
  granularity: string;
  location?: string | undefined;
}

/**
 * Counted results by outcome, from the rows of one granularity. The range should lie on bounds of its buckets: a row counts
 * when its bucket begins in the range.
 */
export async function readTally(database: Queryable, query: TallyQuery): Promise<OutcomeTally & SlotTally> {
  const { rows } = await database.query<OutcomeTally & SlotTally>(
    `SELECT coalesce(sum(up), 0)::bigint AS up, coalesce(sum(degraded), 0)::bigint AS degraded,
       coalesce(sum(down), 0)::bigint AS down, coalesce(sum(missed), 0)::bigint AS missed, ${slotTallySql}
     FROM (
       SELECT up, degraded, down, missed, ${isScheduledSql({ jobs: 'job_id = $2', from: '$3', to: '$4' })} AS is_scheduled
       FROM metrics
       WHERE granularity = $1 AND job_id = $2 AND dt >= $3::timestamptz AND dt < $4::timestamptz
         AND ($5::text IS NULL OR location = $5)
     ) AS counted`,
    [
      query.granularity,
      query.jobId,
      new Date(query.fromMs).toISOString(),
      new Date(query.toMs).toISOString(),
      query.location ?? null,
    ],
  );
  return rows[0] ?? sumTallies([]);
}

/** Due slots and counted results of one job. */
export async function readCoverage(
  database: Queryable,
  query: TallyQuery & { nowMs: number; cronSlots: CronSlotCounter },
): Promise<Coverage> {
  const [spans, tally] = await Promise.all([readSpans(database, query), readTally(database, query)]);
  return toCoverage(countDue(spans, query, query.nowMs, query.cronSlots), tally);
}

/** The same of several jobs at once, each from its own buckets of the range. */
export async function readCoverages(
  database: Queryable,
  query: TimeRange & {
    tallies: ReadonlyMap<number, ReadonlyArray<OutcomeTally & SlotTally>>;
    nowMs: number;
    cronSlots: CronSlotCounter;
  },
): Promise<Map<number, Coverage>> {
  const { tallies, nowMs, cronSlots } = query;
  const spans = new Map([...tallies.keys()].map((jobId): [number, ScheduleSpan[]] => [jobId, []]));
  for (const span of await readSpansOf(database, { ...query, jobIds: [...tallies.keys()] })) {
    spans.get(span.jobId)?.push(span);
  }
  return new Map(
    [...tallies].map(([jobId, buckets]) => {
      const due = countDue(spans.get(jobId) ?? [], query, nowMs, cronSlots);
      return [jobId, toCoverage(due, sumTallies(buckets))];
    }),
  );
}
