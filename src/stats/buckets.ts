/** Granularities and buckets: UTC intervals that metrics are kept and shown by. */

const UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;
const NAMED: Readonly<Record<string, number>> = { minute: UNIT_MS.m, hour: UNIT_MS.h, day: UNIT_MS.d, week: UNIT_MS.w };

/** The epoch began on a Thursday; weeks begin on Monday. */
const WEEK_OFFSET_MS = 4 * UNIT_MS.d;

/** `minute`, `hour`, `day`, `week` or a duration such as `30s`, `5m`, `6h`: its length in ms, or null when it is neither. */
export function parseGranularity(text: string): number | null {
  const named = Object.hasOwn(NAMED, text) ? NAMED[text] : undefined;
  if (named !== undefined) return named;
  const match = /^([1-9]\d{0,6})([smhdw])$/.exec(text);
  if (!match) return null;
  const lengthMs = Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS];
  return lengthMs <= 3_660 * UNIT_MS.d ? lengthMs : null;
}

/**
 * Where the grid of a bucket begins: weeks on a Monday if the rows allow it, everything else on multiples of its length
 * since the epoch, as the rows themselves.
 */
export function bucketOffset(lengthMs: number, granularityMs = lengthMs): number {
  return lengthMs % UNIT_MS.w === 0 && WEEK_OFFSET_MS % granularityMs === 0 ? WEEK_OFFSET_MS : 0;
}

export function bucketStart(atMs: number, lengthMs: number, offsetMs = 0): number {
  return Math.floor((atMs - offsetMs) / lengthMs) * lengthMs + offsetMs;
}

/** The first bound of a bucket at or after `atMs`. */
export function bucketEnd(atMs: number, lengthMs: number, offsetMs = 0): number {
  return bucketStart(atMs + lengthMs - 1, lengthMs, offsetMs);
}
