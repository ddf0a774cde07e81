import { percentiles } from '../aggregates/histogram.ts';
import type { Database } from '../postgres/database.ts';
import { countCronSlots } from '../scheduler/slots.ts';
import {
  bucketEnd,
  bucketStart,
  type NumberedJob,
  parseGranularity,
  readCoverage,
  readMetrics,
  uptimeOf,
} from '../stats/index.ts';
import type { TimeRange } from './time.ts';

/** The numbers of one job over a range. Times are seconds; null where there is nothing to say. */
export interface JobNumbers extends NumberedJob {
  count: number;
  up: number;
  degraded: number;
  down: number;
  missed: number;
  /** (up + degraded) / (up + degraded + down): slots that were missed say nothing about the site. */
  uptime: number | null;
  /** Counted slots of those that were due. */
  coverage: number | null;
  /** Slots about which something is known, of those that were due. */
  known: number | null;
  due: number;
  min: number | null;
  avg: number | null;
  p50: number | null;
  p95: number | null;
  p99: number | null;
  max: number | null;
  codes: Record<string, number>;
  reasons: Record<string, number>;
}

export async function readNumbers(
  database: Database,
  job: NumberedJob,
  { fromMs, toMs, granularity }: TimeRange & { granularity: string },
): Promise<JobNumbers> {
  const lengthMs = parseGranularity(granularity)!;
  // Rows are whole buckets: the range is widened to theirs.
  const range = { fromMs: bucketStart(fromMs, lengthMs), toMs: bucketEnd(toMs, lengthMs) };
  const { jobId } = job;
  const [{ buckets }, coverage] = await Promise.all([
    readMetrics(database, {
      ...range,
      jobId,
      granularity,
      bucketMs: null,
      bucketOffsetMs: 0,
      limit: 1,
      order: 'asc',
      histogram: true,
    }),
    readCoverage(database, { ...range, jobId, granularity, nowMs: Date.now(), cronSlots: countCronSlots }),
  ]);
  const [bucket] = buckets;
  const { up = 0, degraded = 0, down = 0, missed = 0, count = 0, rtCount = 0, rtSum = 0 } = bucket ?? {};
  // A percentile is the middle of a bin, which may lie beyond the extreme that is known exactly.
  const clamp = (micros: number | null) =>
    micros === null ? null : Math.min(bucket?.rtMax ?? micros, Math.max(bucket?.rtMin ?? micros, micros));
  const ranks = percentiles(bucket?.histogram ?? null, [50, 95, 99])
    .map(clamp)
    .map(toSeconds);
  const [p50 = null, p95 = null, p99 = null] = ranks;
  return {
    ...job,
    count,
    up,
    degraded,
    down,
    missed,
    uptime: uptimeOf({ up, degraded, down, missed }),
    // A slot may be counted between the two reads.
    coverage: atMostAll(coverage.coverage),
    known: atMostAll(coverage.known),
    due: Math.max(coverage.due, coverage.coverage === null ? 0 : coverage.counted),
    min: toSeconds(bucket?.rtMin ?? null),
    avg: rtCount === 0 ? null : rtSum / rtCount / 1e6,
    p50,
    p95,
    p99,
    max: toSeconds(bucket?.rtMax ?? null),
    codes: bucket?.data ?? {},
    reasons: bucket?.reasons ?? {},
  };
}

const atMostAll = (share: number | null): number | null => (share === null ? null : Math.min(1, share));
const toSeconds = (micros: number | null): number | null => (micros === null ? null : micros / 1e6);
