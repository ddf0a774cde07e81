import { firstOf } from '../../core/first-of.ts';
import type { CountedSeries } from '../tables/series.ts';
import type { VerifiedSpan } from './stored-rows.ts';

/** The slots of one series that were due in the range, and those that are counted. */
interface SeriesCoverage {
  jobId: number;
  location: string;
  /** Slots of its spans up to the last one counted, and the overdue ones behind it. Each of them must have been counted. */
  due: number;
  counted: number;
  /** Slots behind the last one counted that were due so long ago that they ought to be counted. */
  overdue: number;
  /** Slots behind the last one counted whose results may still be under way. */
  pending: number;
}

export interface CoverageReport {
  series: number;
  due: number;
  counted: number;
  overdue: number;
  pending: number;
  /** Series whose counted slots are not those that were due. */
  gaps: SeriesCoverage[];
  /** Series that cannot be judged: results of foreign producers, or a cron expression that cannot be read. */
  unknown: Array<{ jobId: number; location: string; why: string }>;
}

/** How many slots a cron expression has in [fromMs, toMs], both included. Throws when it cannot be read. */
export type CountSlots = (cron: string, timezone: string | null, fromMs: number, toMs: number) => number;

export interface CoverageInput {
  /** ms since the epoch, both bounds of buckets. */
  fromMs: number;
  toMs: number;
  /** The database's clock, ms since the epoch: nothing is due after it. */
  nowMs: number;
  /** How long after its slot a check may begin, and its result be published and counted. The check itself comes on top. */
  permittedDelayMs: number;
  /** How much longer that may take for a job, ms. */
  extraDelayMs(jobId: number): number;
  spans: readonly VerifiedSpan[];
  /** Absent: series of cron expressions are not judged. */
  countSlots?: CountSlots | undefined;
  progress: readonly CountedSeries[];
  /** Counted slots in the range by `job_id location`. */
  counted: ReadonlyMap<string, number>;
  /** Series with lines of foreign producers, as `job_id location`. */
  foreign: ReadonlySet<string>;
}

/** Compares, per series, the slots of the recorded spans with the slots that were counted. */
export function checkCoverage(input: CoverageInput): CoverageReport {
  const report: CoverageReport = { series: 0, due: 0, counted: 0, overdue: 0, pending: 0, gaps: [], unknown: [] };
  const lastSlots = new Map(input.progress.map((row) => [`${row.jobId} ${row.location} ${row.topic}`, row.slot]));
  for (const [key, spans] of bySeries(input.spans)) {
    const { jobId, location } = firstOf(spans);
    report.series++;
    const why = input.foreign.has(key) ? 'it has results of a foreign producer' : whyUnknown(spans, input);
    if (why !== null) {
      report.unknown.push({ jobId, location, why });
      continue;
    }
    const series = { jobId, location, due: 0, counted: input.counted.get(key) ?? 0, overdue: 0, pending: 0 };
    for (const span of spans) {
      const known = lastSlots.get(`${jobId} ${location} ${span.topic}`) ?? -1;
      const slots = slotsOf(span, input.countSlots);
      series.due += slots.within(input.fromMs, Math.min(input.toMs, known + 1));
      const behindMs = Math.max(input.fromMs, known + 1);
      const endMs = Math.min(input.toMs, input.nowMs);
      const late = slots.endedBefore(behindMs, endMs - input.permittedDelayMs - input.extraDelayMs(jobId));
      const passed = slots.within(behindMs, endMs);
      const overdue = Math.min(late, passed);
      series.overdue += overdue;
      series.pending += passed - overdue;
    }
    series.due += series.overdue;
    for (const key of ['due', 'counted', 'overdue', 'pending'] as const) report[key] += series[key];
    if (series.due !== series.counted) report.gaps.push(series);
  }
  return report;
}

interface SpanSlots {
  /** How many slots of the span lie in [fromMs, toMs). */
  within(fromMs: number, toMs: number): number;
  /** How many slots from `fromMs` on, of the span or behind it, have a check that has ended before `ms`: before its next slot. */
  endedBefore(fromMs: number, ms: number): number;
}

function slotsOf({ periodMs, cron, cronTimezone, fromSlot, toSlot }: VerifiedSpan, countSlots?: CountSlots): SpanSlots {
  const lastSlot = toSlot ?? Number.POSITIVE_INFINITY;
  // The slots of a period are from_slot + k * period.
  const count = (fromMs: number, lastMs: number): number => {
    const from = Math.max(fromMs, fromSlot);
    if (lastMs < from) return 0;
    if (periodMs === null) {
      // whyUnknown has named such a series.
      if (!countSlots || cron === null)
        throw new Error('A span without period needs a cron expression and its counter');
      return countSlots(cron, cronTimezone, from, lastMs);
    }
    const before = Math.ceil((from - fromSlot) / periodMs);
    return Math.max(0, Math.floor((lastMs - fromSlot) / periodMs) - before + 1);
  };
  return {
    within: (fromMs, toMs) => count(fromMs, Math.min(lastSlot, toMs - 1)),
    // The slot after each but the last one has come.
    endedBefore: (fromMs, ms) => Math.max(0, count(fromMs, ms - 1) - 1),
  };
}

function whyUnknown(spans: readonly VerifiedSpan[], { countSlots }: CoverageInput): string | null {
  for (const { periodMs, cron, cronTimezone } of spans) {
    if (periodMs !== null) continue;
    if (!countSlots || cron === null) return 'it follows a cron expression';
    try {
      countSlots(cron, cronTimezone, 0, 0);
    } catch (error) {
      return `its cron expression cannot be read: ${(error as Error).message}`;
    }
  }
  return null;
}

function bySeries(spans: readonly VerifiedSpan[]): Map<string, VerifiedSpan[]> {
  const series = new Map<string, VerifiedSpan[]>();
  for (const span of spans) {
    const key = `${span.jobId} ${span.location}`;
    const known = series.get(key);
    if (known) known.push(span);
    else series.set(key, [span]);
  }
  return series;
}
