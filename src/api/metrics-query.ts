import { granularityName } from '../aggregates/granularity.ts';
import { MAX_TIME_MS } from '../core/instant.ts';
import { VedetteError } from '../errors.ts';
import { bucketEnd, bucketOffset, bucketStart, parseGranularity } from '../stats/index.ts';
import { parseTimeRange } from './time-range.ts';

export interface MetricsRequest {
  granularity?: string;
  bucket?: string;
  from?: string;
  to?: string;
  percentiles?: string;
}

export interface MetricsPlan {
  granularity: string;
  granularityMs: number;
  /** null: one bucket over the whole range. */
  bucketMs: number | null;
  bucketOffsetMs: number;
  /** Widened to whole buckets. */
  fromMs: number;
  toMs: number;
  /** Ranks as they were asked for. */
  percentiles: number[];
}

/** How many buckets a range without `from` reaches back. */
const DEFAULT_BUCKETS = 60;
const MAX_PERCENTILES = 20;

/** Reads what is wanted; throws VED_VALIDATION with every problem that can be told apart. */
export function planMetrics(request: MetricsRequest, kept: readonly string[], nowMs: number): MetricsPlan {
  const { granularity: asked = kept[0] ?? 'minute', bucket } = request;
  const problems: string[] = [];
  const lengthMs = parseGranularity(asked);
  const isKept = lengthMs !== null && kept.some((name) => parseGranularity(name) === lengthMs);
  if (!isKept) problems.push(refuse('granularity', asked, `one of ${kept.join(', ')}`));
  const granularityMs = lengthMs ?? 60_000;
  // Rows are stored under one name: 60m is hour.
  const granularity = isKept ? granularityName(granularityMs) : asked;
  let bucketMs: number | null = granularityMs;
  if (bucket === 'total') bucketMs = null;
  else if (bucket !== undefined) {
    bucketMs = parseGranularity(bucket);
    if (bucketMs === null || bucketMs % granularityMs !== 0) {
      problems.push(
        refuse('bucket', bucket, `total, or a length such as 5m, 6h, 1d, 1w that is a multiple of ${granularity}`),
      );
      bucketMs = granularityMs;
    }
  }
  const percentiles = readPercentiles(request.percentiles, problems);
  if (problems.length > 0) throw new VedetteError('VED_VALIDATION', `query: ${problems.join('; ')}`);
  const range = parseTimeRange(request, {
    fromMs: (toMs) => toMs - DEFAULT_BUCKETS * (bucketMs ?? granularityMs),
    toMs: nowMs,
    nowMs,
  });
  const gridMs = bucketMs ?? granularityMs;
  const bucketOffsetMs = bucketOffset(gridMs, granularityMs);
  return {
    granularity,
    granularityMs,
    bucketMs,
    bucketOffsetMs,
    fromMs: Math.max(0, bucketStart(range.fromMs, gridMs, bucketOffsetMs)),
    toMs: Math.min(MAX_TIME_MS, bucketEnd(range.toMs, gridMs, bucketOffsetMs)),
    percentiles,
  };
}

function readPercentiles(text: string | undefined, problems: string[]): number[] {
  if (text === undefined || text === '') return [];
  const ranks: number[] = [];
  for (const part of text.split(',')) {
    const rank = /^\s*\d{1,3}(\.\d{1,6})?\s*$/.test(part) ? Number(part) : Number.NaN;
    if (!(rank > 0 && rank <= 100)) {
      problems.push(refuse('percentiles', part, 'numbers above 0 and up to 100, such as 50,95,99.9'));
    } else if (!ranks.includes(rank)) ranks.push(rank);
  }
  if (ranks.length > MAX_PERCENTILES) problems.push(refuse('percentiles', text, `at most ${MAX_PERCENTILES} of them`));
  return ranks;
}

function refuse(name: string, given: string, accepted: string): string {
  return `${name}: given ${JSON.stringify(given.slice(0, 60))}, accepted: ${accepted}`;
}
