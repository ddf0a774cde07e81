import { bucketStart, readGranularity } from '../aggregates/granularity.ts';
import { VedetteError } from '../errors.ts';
import type { TimeRange } from './time-range.ts';

const WEEK_MS = 7 * 86_400_000;
/** The epoch began on a Thursday; weeks begin on Monday. */
const WEEK_OFFSET_MS = 4 * 86_400_000;

/** The granularity of stored rows, by the name they have in the database. */
export interface KeptGranularity {
  name: string;
  durationMs: number;
}

/** Finds `wanted` among the granularities that are kept, however it is written (`60m` is `hour`); null when it is not kept. */
export function keptGranularity(wanted: string, kept: readonly string[]): KeptGranularity | null {
  const granularity = readGranularity(wanted);
  const isKept = kept.some((name) => readGranularity(name)?.durationMs === granularity?.durationMs);
  return isKept ? granularity : null;
}

/** How far back rows of a granularity reach, in ms; null: without limit. */
export type Retention = Readonly<Record<string, number | null>>;

/** The finest kept granularity whose rows still reach back to the start of the range, else the coarsest. */
export function finestGranularity(
  { fromMs }: Pick<TimeRange, 'fromMs'>,
  kept: readonly string[],
  { retention, nowMs }: { retention: Retention; nowMs: number },
): KeptGranularity {
  const known = kept
    .map(readGranularity)
    .filter((granularity) => granularity !== null)
    .toSorted((a, b) => a.durationMs - b.durationMs);
  const standard = known.filter(({ name }) => Object.hasOwn(retention, name));
  const reaches = (name: string) => {
    const lengthMs = retention[name];
    return lengthMs === null || (lengthMs !== undefined && nowMs - fromMs <= lengthMs);
  };
  const chosen = standard.find(({ name }) => reaches(name)) ?? standard.at(-1) ?? known[0];
  if (!chosen) throw new VedetteError('VED_SETTINGS_INVALID', 'metrics: nothing is counted');
  return chosen;
}

/** Buckets of equal length that begin at `offsetMs` + n * `lengthMs`. */
export interface Grid {
  lengthMs: number;
  offsetMs: number;
}

/**
 * The grid of buckets of a length: weeks begin on a Monday if the rows allow it, everything else on multiples of its length
 * since the epoch, as the rows themselves.
 */
export function gridOf(lengthMs: number, granularityMs = lengthMs): Grid {
  const isWeeks = lengthMs % WEEK_MS === 0 && WEEK_OFFSET_MS % granularityMs === 0;
  return { lengthMs, offsetMs: isWeeks ? WEEK_OFFSET_MS : 0 };
}

/** The last bound of a grid at or before `atMs`. */
export function gridStart(atMs: number, { lengthMs, offsetMs }: Grid): number {
  return bucketStart(atMs - offsetMs, lengthMs) + offsetMs;
}

/** The first bound of a grid at or after `atMs`. */
export function gridEnd(atMs: number, grid: Grid): number {
  return gridStart(atMs + grid.lengthMs - 1, grid);
}

/** The range, widened to whole buckets. */
export function widen({ fromMs, toMs }: TimeRange, grid: Grid): TimeRange {
  return { fromMs: gridStart(fromMs, grid), toMs: gridEnd(toMs, grid) };
}
