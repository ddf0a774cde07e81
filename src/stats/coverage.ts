import type { Queryable } from '../postgres/database.ts';
import { type CronSlotCounter, countDue, readSpans, readSpansOf, type ScheduleSpan, type TimeRange } from './spans.ts';

/** Results by outcome. */
export interface OutcomeTally {
  up: number;
  degraded: number;
  down: number;
  missed: number;
}

export interface Coverage {
  /** Slots that were due up to now. */
  due: number;
  /** Results that were counted, missed slots among them. */
  counted: number;
  /** counted / due: how much is accounted for; null when nothing was due. */
  coverage: number | null;
  /** (up + degraded + down) / due: about how much something is known; null when nothing was due. */
  known: number | null;
}

/** Results that say how the target was; what was missed says nothing about it. */
const countKnown = ({ up, degraded, down }: OutcomeTally): number => up + degraded + down;

/** The one definition of both shares: a missed slot is accounted for, but nothing is known of it. */
export function toCoverage(due: number, tally: OutcomeTally): Coverage {
  const known = countKnown(tally);
  const counted = known + tally.missed;
  const share = (part: number) => (due === 0 ? null : part / due);
  return { due, counted, coverage: share(counted), known: share(known) };
}

/** Share of good checks in what is known; null when nothing is. */
export function uptimeOf(tally: OutcomeTally): number | null {
  const known = countKnown(tally);
  return known === 0 ? null : (tally.up + tally.degraded) / known;
}

export function sumTallies(tallies: readonly OutcomeTally[]): OutcomeTally {
  const sum = { up: 0, degraded: 0, down: 0, missed: 0 };
  for (const tally of tallies) for (const key of ['up', 'degraded', 'down', 'missed'] as const) sum[key] += tally[key];
  return sum;
}

/**
 * What was due and what was counted, from the rows of one granularity. The range should lie on bounds of its buckets: a
 * row counts when its bucket begins in the range.
 */
export async function readCoverage(
  database: Queryable,
  query: TimeRange & {
    jobId: number;
    granularity: string;
    nowMs: number;
    cronSlots: CronSlotCounter;
    location?: string | undefined;
  },
): Promise<Coverage> {
  const [spans, { rows }] = await Promise.all([
    readSpans(database, query),
    database.query<OutcomeTally>(
      `SELECT coalesce(sum(up), 0)::bigint AS up, coalesce(sum(degraded), 0)::bigint AS degraded,
         coalesce(sum(down), 0)::bigint AS down, coalesce(sum(missed), 0)::bigint AS missed
       FROM metrics
       WHERE granularity = $1 AND job_id = $2 AND dt >= $3::timestamptz AND dt < $4::timestamptz
         AND ($5::text IS NULL OR location = $5)`,
      [
        query.granularity,
        query.jobId,
        new Date(query.fromMs).toISOString(),
        new Date(query.toMs).toISOString(),
        query.location ?? null,
      ],
    ),
  ]);
  return toCoverage(countDue(spans, query, query.nowMs, query.cronSlots), rows[0]);
}

/** The same of several jobs at once, each from its own buckets of the range. */
export async function readCoverages(
  database: Queryable,
  query: TimeRange & {
    tallies: ReadonlyMap<number, readonly OutcomeTally[]>;
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
