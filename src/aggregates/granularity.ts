const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const NAMED = new Map([
  ['minute', MINUTE_MS],
  ['hour', HOUR_MS],
  ['day', DAY_MS],
]);
const UNITS: ReadonlyArray<[string, number]> = [
  ['d', DAY_MS],
  ['h', HOUR_MS],
  ['m', MINUTE_MS],
  ['s', SECOND_MS],
];
const MAX_MS = 366 * DAY_MS;

/** The length of the buckets of a metric. Buckets begin at whole multiples of it since the epoch, UTC. */
export interface Granularity {
  /** Canonical: `minute`, `hour`, `day`, else the largest fitting unit (`60m` is `hour`, `90m` stays `90m`). */
  name: string;
  durationMs: number;
}

/** Reads `minute`, `hour`, `day` or a duration such as `30s`, `5m`, `12h`, `7d`. Throws RangeError for anything else. */
export function parseGranularity(text: string): Granularity {
  const match = /^([1-9]\d{0,8})([smhd])$/.exec(text);
  const unit = UNITS.find(([name]) => name === match?.[2]);
  const durationMs = unit && match ? Number(match[1]) * unit[1] : NAMED.get(text);
  if (durationMs === undefined || durationMs > MAX_MS) {
    throw new RangeError(
      `granularity: given ${JSON.stringify(text)}, accepted: minute, hour, day or a duration such as 30s, 5m, 12h, 7d`,
    );
  }
  return { name: granularityName(durationMs), durationMs };
}

export function granularityName(durationMs: number): string {
  for (const [name, length] of NAMED) if (length === durationMs) return name;
  for (const [unit, length] of UNITS) if (durationMs % length === 0) return `${durationMs / length}${unit}`;
  throw new RangeError(`${durationMs} ms is no granularity: whole seconds`);
}

/** The start of the bucket that `timeMs` lies in. */
export function bucketStart(timeMs: number, durationMs: number): number {
  return Math.floor(timeMs / durationMs) * durationMs;
}
