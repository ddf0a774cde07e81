import { parseDuration } from './duration.ts';

/** The last ms of the year 9999, the limit of ISO texts. PostgreSQL accepts it too. */
export const MAX_TIME_MS = 253_402_300_799_999;

/** The forms that parseInstant accepts, for people. */
export const TIME_FORMS =
  'ISO 8601 such as 2026-11-21 or 2026-11-21T08:30Z (UTC unless it has a zone), now, how long ago (90m, -24h, 7d), or ms since the epoch';

/** The part of it that a regular expression can express, for schemas. */
export const TIME_PATTERN =
  '^(now|-?\\d{1,9}(\\.\\d{1,6})?(ms|s|m|min|h|d|w)( ago)?|\\d{10,15}|\\d{4}-\\d{2}-\\d{2}([T ]\\d{2}:\\d{2}(:\\d{2}(\\.\\d{1,9})?)?(Z|[+ -]\\d{2}:?\\d{2})?)?)$';

const ISO = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(Z|[+ -]\d{2}:?\d{2})?)?$/;

/** Parses an instant in the forms of the command line and the API. Returns ms since the epoch, or null. */
export function parseInstant(text: string, nowMs: number): number | null {
  const trimmed = text.trim();
  if (trimmed === 'now') return nowMs;
  const ago = parseDuration(trimmed.replace(/^-/, '').replace(/\s+ago$/, ''));
  if (ago !== null && ago > 0) return within(nowMs - ago);
  // Fewer digits could be seconds, or a date without dashes.
  if (/^\d{10,15}$/.test(trimmed)) return within(Number(trimmed));
  const match = ISO.exec(trimmed);
  if (!match) return null;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map((part) => Number(part ?? 0)) as Six;
  const at = new Date(Date.UTC(year, month - 1, day, hour, minute, second));
  // Date.parse turns dates that do not exist into dates of the next month.
  const isReal = at.getUTCMonth() === month - 1 && at.getUTCDate() === day && hour < 24 && minute < 60 && second < 60;
  if (!isReal) return null;
  const milliseconds = Math.floor(Number(`0.${match[7] ?? 0}`) * 1000);
  return within(at.getTime() + milliseconds - offsetMs(match[8]));
}

type Six = [number, number, number, number, number, number];

/** An unescaped plus sign of a query arrives as a space. */
function offsetMs(zone = 'Z'): number {
  if (zone === 'Z') return 0;
  const [hours, minutes] = [Number(zone.slice(1, 3)), Number(zone.slice(-2))];
  if (hours > 23 || minutes > 59) return Number.NaN;
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}

/** As programs write it, `2026-11-21T08:30:05.000Z`; null stays null. */
export const toIso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

function within(ms: number): number | null {
  return ms >= 0 && ms <= MAX_TIME_MS ? ms : null;
}
