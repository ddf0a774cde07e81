import { MAX_TIME_MS } from '../../core/instant.ts';
import type { Problem } from '../../core/validation.ts';
import { gridOf, keptGranularity, readGranularity, widen } from '../../stats/index.ts';
import { readTimeRange } from '../http/time-range.ts';
import { validationError } from '../http/validation.ts';

export interface BucketsRequest {
  granularity?: string;
  bucket?: string;
  from?: string;
  to?: string;
  percentiles?: string;
}

export interface BucketsPlan {
  /** As rows have it: `60m` is `hour`. */
  granularity: string;
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

/** Reads the query of a request for metrics; throws VED_VALIDATION with every problem that can be told apart. */
export function planBuckets(request: BucketsRequest, kept: readonly string[], nowMs: number): BucketsPlan {
  const { granularity: asked = kept[0] ?? 'minute', bucket } = request;
  const problems: Problem[] = [];
  const granularity = keptGranularity(asked, kept);
  if (!granularity) problems.push({ path: 'granularity', given: asked, accepted: `one of ${kept.join(', ')}` });
  // A bucket is checked even if the granularity is wrong, so that both problems are reported.
  const { name, durationMs } = granularity ?? readGranularity(asked) ?? { name: asked, durationMs: 60_000 };
  let bucketMs: number | null = durationMs;
  if (bucket === 'total') bucketMs = null;
  else if (bucket !== undefined) {
    bucketMs = readGranularity(bucket)?.durationMs ?? 0;
    if (bucketMs === 0 || bucketMs % durationMs !== 0) {
      const accepted = `total, or a length such as 5m, 6h, 1d, 1w that is a multiple of ${granularity ? name : asked}`;
      problems.push({ path: 'bucket', given: bucket, accepted });
      bucketMs = durationMs;
    }
  }
  const percentiles = readPercentiles(request.percentiles, problems);
  if (problems.length > 0) throw validationError(problems, 'query');
  const range = readTimeRange(request, { fromMs: (toMs) => toMs - DEFAULT_BUCKETS * (bucketMs ?? durationMs), nowMs });
  const grid = gridOf(bucketMs ?? durationMs, durationMs);
  const { fromMs, toMs } = widen(range, grid);
  return {
    granularity: name,
    bucketMs,
    bucketOffsetMs: grid.offsetMs,
    fromMs: Math.max(0, fromMs),
    toMs: Math.min(MAX_TIME_MS, toMs),
    percentiles,
  };
}

function readPercentiles(text: string | undefined, problems: Problem[]): number[] {
  if (text === undefined || text === '') return [];
  const ranks: number[] = [];
  for (const part of text.split(',')) {
    const rank = /^\s*\d{1,3}(\.\d{1,6})?\s*$/.test(part) ? Number(part) : Number.NaN;
    if (!(rank > 0 && rank <= 100)) {
      const accepted = 'numbers above 0 and up to 100, such as 50,95,99.9';
      problems.push({ path: 'percentiles', given: part, accepted });
    } else if (!ranks.includes(rank)) ranks.push(rank);
  }
  if (ranks.length > MAX_PERCENTILES) {
    problems.push({ path: 'percentiles', given: text, accepted: `at most ${MAX_PERCENTILES} of them` });
  }
  return ranks;
}
