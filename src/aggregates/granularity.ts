const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const WEEK_MS = 7 * DAY_MS;
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
/** Weeks are understood, but written in days. */
const READ_NAMES = new Map([...NAMED, ['week', WEEK_MS]]);
const READ_UNITS = new Map([...UNITS, ['w', WEEK_MS]]);
const MAX_KEPT_MS = 366 * DAY_MS;
const MAX_READ_MS = 3_660 * DAY_MS;

/** The length of the buckets of a metric. Buckets begin at whole multiples of it since the epoch, UTC. */
export interface Granularity {
  /** Canonical: `minute`, `hour`, `day`, else the largest fitting unit (`60m` is `hour`, `90m` stays `90m`). */
  name: string;
  durationMs: number;
}

/** Reads `minute`, `hour`, `day`, `week` or a duration such as `30s`, `5m`, `12h`, `7d`, `1w`; null for anything else. */
export function readGranularity(text: string): Granularity | null {
  const match = /^([1-9]\d{0,8})([smhdw])$/.exec(text);
  const unitMs = READ_UNITS.get(match?.[2] ?? '');
  const durationMs = match && unitMs !== undefined ? Number(match[1]) * unitMs : READ_NAMES.get(text);
  if (durationMs === undefined || durationMs > MAX_READ_MS) return null;
  return { name: granularityName(durationMs), durationMs };
}

/** The granularity of stored rows, 366 days at most. Throws RangeError for any other text. */
export function parseGranularity(text: string): Granularity {
  const granularity = readGranularity(text);
  if (granularity && granularity.durationMs <= MAX_KEPT_MS) return granularity;
  throw new RangeError(
    `granularity: given ${JSON.stringify(text)}, accepted: minute, hour, day or a duration such as 30s, 5m, 12h, 7d`,
  );
}

function granularityName(durationMs: number): string {
  for (const [name, length] of NAMED) if (length === durationMs) return name;
  for (const [unit, length] of UNITS) if (durationMs % length === 0) return `${durationMs / length}${unit}`;
  throw new RangeError(`${durationMs} ms is no granularity: whole seconds`);
}

/** The start of the bucket that `timeMs` lies in. */
export function bucketStart(timeMs: number, durationMs: number): number {
  return Math.floor(timeMs / durationMs) * durationMs;
}
