import type { CountedSeries, VerifiedSpan } from '../storage/processor-verify.ts';

/** What was due of one series in the range, against what is counted. */
export interface SeriesCoverage {
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
  /** Series that cannot be judged: a cron expression in part of the range, or results of foreign producers. */
  unknown: Array<{ jobId: number; location: string; why: string }>;
}

export interface CoverageInput {
  /** ms since the epoch, both bounds of buckets. */
  fromMs: number;
  toMs: number;
  /** The database's clock, ms since the epoch: nothing is due after it. */
  nowMs: number;
  /** How long after its slot a check may begin, and its result be published and counted. The check itself comes on top. */
  permittedDelayMs: number;
  spans: readonly VerifiedSpan[];
  progress: readonly CountedSeries[];
  /** Counted slots in the range by `job_id location`. */
  counted: ReadonlyMap<string, number>;
  /** Series with lines of foreign producers, as `job_id location`. */
  foreign: ReadonlySet<string>;
}

/** No check lasts longer: it ends before the next slot of its job. For a cron schedule this is the limit of one try. */
const CRON_CHECK_MS = 10 * 60_000;

/** Compares, per series, the slots of the recorded spans with the slots that were counted. */
export function checkCoverage(input: CoverageInput): CoverageReport {
  const report: CoverageReport = { series: 0, due: 0, counted: 0, overdue: 0, pending: 0, gaps: [], unknown: [] };
  const lastSlots = new Map(input.progress.map((row) => [`${row.jobId} ${row.location} ${row.topic}`, row.slot]));
  for (const [key, spans] of bySeries(input.spans)) {
    const { jobId, location } = spans[0];
    report.series++;
    const why = input.foreign.has(key) ? 'it has results of a foreign producer' : whyUnknown(spans, input);
    if (why !== null) {
      report.unknown.push({ jobId, location, why });
      continue;
    }
    const series = { jobId, location, due: 0, counted: input.counted.get(key) ?? 0, overdue: 0, pending: 0 };
    for (const span of spans) {
      const known = lastSlots.get(`${jobId} ${location} ${span.topic}`) ?? -1;
      series.due += slotsOf(span, input.fromMs, Math.min(input.toMs, known + 1));
      const behindMs = Math.max(input.fromMs, known + 1);
      const endMs = Math.min(input.toMs, input.nowMs);
      const overdueMs = endMs - input.permittedDelayMs - (span.periodMs ?? CRON_CHECK_MS);
      const overdue = slotsOf(span, behindMs, Math.min(endMs, overdueMs));
      series.overdue += overdue;
      series.pending += slotsOf(span, behindMs, endMs) - overdue;
    }
    series.due += series.overdue;
    for (const key of ['due', 'counted', 'overdue', 'pending'] as const) report[key] += series[key];
    if (series.due !== series.counted) report.gaps.push(series);
  }
  return report;
}

/** How many slots of a span lie in [fromMs, toMs). Its slots are from_slot + k * period. */
function slotsOf(span: VerifiedSpan, fromMs: number, toMs: number): number {
  const last = Math.min(span.toSlot ?? Number.POSITIVE_INFINITY, toMs - 1);
  if (span.periodMs === null) return span.fromSlot <= last && span.toSlot !== null ? (span.slotCount ?? 0) : 0;
  const before = Math.max(0, Math.ceil((fromMs - span.fromSlot) / span.periodMs));
  const first = span.fromSlot + before * span.periodMs;
  return last < first ? 0 : Math.floor((last - first) / span.periodMs) + 1;
}

function whyUnknown(spans: readonly VerifiedSpan[], { fromMs, toMs }: CoverageInput): string | null {
  const partly = spans.some(
    (span) => span.periodMs === null && (span.toSlot === null || span.fromSlot < fromMs || span.toSlot >= toMs),
  );
  return partly ? 'it follows a cron expression, and a span of it lies only partly in the range' : null;
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
