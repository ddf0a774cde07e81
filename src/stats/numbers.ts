import { percentiles } from '../aggregates/histogram.ts';
import { mergeExtras } from './extras.ts';
import {
  type Coverage,
  type MaintenanceTally,
  NO_MAINTENANCE,
  type OutcomeCounts,
  toCoverage,
  uptimeOf,
} from './outcomes.ts';
import type { MetricsBucket } from './queries/metrics.ts';
import type { NumberedJob } from './queries/series.ts';
import type { TimeRange } from './time-range.ts';

/** The numbers of a job over a range of time. Times are seconds unless a name says micros; null where there is nothing to say. */
export interface Numbers
  extends TimeRange,
    OutcomeCounts,
    MaintenanceTally,
    Pick<Coverage, 'due' | 'coverage' | 'known'> {
  uptime: number | null;
  /** Results with a response. */
  responses: number;
  min: number | null;
  avg: number | null;
  max: number | null;
  /** In the order of the ranks that were asked for. */
  percentiles: Array<number | null>;
  minMicros: number | null;
  maxMicros: number | null;
  sumMicros: number;
  /** Status codes and how often each came. */
  codes: Record<string, number>;
  reasons: Record<string, number>;
  /** Configured aggregates beyond the built-in columns, by `<function>_<field>`. */
  extra: Record<string, unknown>;
}

export interface JobNumbers extends NumberedJob, Numbers {}

const EMPTY: Omit<MetricsBucket, 'fromMs'> = {
  ...{ count: 0, up: 0, degraded: 0, down: 0, missed: 0, slotsKnown: 0, slotsMissed: 0, ...NO_MAINTENANCE },
  ...{ rtCount: 0, rtMin: null, rtMax: null, rtSum: 0 },
  ...{ data: {}, reasons: {}, histogram: {}, extras: [] },
};

/** The numbers of a merged bucket (none: without results) in which `due` slots were due. */
export function toNumbers(
  bucket: Omit<MetricsBucket, 'fromMs'> | undefined,
  { fromMs, toMs }: TimeRange,
  { due, ranks }: { due: number; ranks: readonly number[] },
): Numbers {
  const merged = bucket ?? EMPTY;
  const { count, up, degraded, down, missed, rtCount, rtMin, rtMax, rtSum, data, reasons, extras } = merged;
  const { maintenanceUp, maintenanceDegraded, maintenanceDown } = merged;
  const { coverage, known } = toCoverage(due, merged);
  return {
    ...{ fromMs, toMs, count, up, degraded, down, missed },
    ...{ maintenanceUp, maintenanceDegraded, maintenanceDown },
    ...{ uptime: uptimeOf(merged), due, coverage, known },
    responses: rtCount,
    min: toSeconds(rtMin),
    avg: meanSeconds(merged),
    max: toSeconds(rtMax),
    percentiles: boundedPercentiles(merged, ranks).map(toSeconds),
    ...{ minMicros: rtMin, maxMicros: rtMax, sumMicros: rtSum },
    codes: data,
    reasons,
    extra: mergeExtras(extras, ranks),
  };
}

/** The middle of a bin may lie beyond the extremes, which are known exactly. */
function boundedPercentiles(
  { histogram, rtMin, rtMax }: Pick<MetricsBucket, 'histogram' | 'rtMin' | 'rtMax'>,
  ranks: readonly number[],
): Array<number | null> {
  return percentiles(histogram, ranks).map((micros) =>
    micros === null ? null : Math.min(rtMax ?? micros, Math.max(rtMin ?? micros, micros)),
  );
}

/** Mean response time; null without any response. */
export function meanSeconds({ rtSum, rtCount }: { rtSum: number; rtCount: number }): number | null {
  return rtCount === 0 ? null : rtSum / rtCount / 1e6;
}

export const toSeconds = (micros: number | null): number | null => (micros === null ? null : micros / 1e6);
