import { parseDuration } from '../core/duration.ts';
import { VedetteError } from '../errors.ts';

export interface TimeRange {
  fromMs: number;
  toMs: number;
}

export const TIME_FORMS = 'ISO 8601 such as 2026-11-21 or 2026-11-21T08:30Z, `now`, or how long ago: 90m, 24h, 7d';

/** An instant as people write it, in ms since the epoch. Without a zone it is UTC, as all times of Vedette are. */
export function parseInstant(text: string, nowMs: number, option: string): number {
  const trimmed = text.trim();
  if (trimmed === 'now') return nowMs;
  const ago = parseDuration(trimmed.replace(/^-/, '').replace(/\s+ago$/, ''));
  if (ago !== null && ago > 0) return nowMs - ago;
  if (/^\d{4}-\d{2}-\d{2}/.test(trimmed)) {
    const hasZone = /(Z|[+-]\d{2}:?\d{2})$/i.test(trimmed.slice(10));
    const hasTime = trimmed.length > 10;
    const at = Date.parse(trimmed.replace(' ', 'T') + (hasZone || !hasTime ? '' : 'Z'));
    if (!Number.isNaN(at)) return at;
  }
  throw new VedetteError('VED_USAGE', `${option}: given ${JSON.stringify(text)}, accepted: ${TIME_FORMS}`);
}

/** `--from` and `--to`, or `--range` up to now. */
export function parseRange(
  options: { from?: string; to?: string; range?: string },
  defaultRange: string,
  nowMs: number,
): TimeRange {
  if (options.range !== undefined && options.from !== undefined) {
    throw new VedetteError('VED_USAGE', '--range and --from both say where to begin: give one of them');
  }
  const toMs = options.to === undefined ? nowMs : parseInstant(options.to, nowMs, '--to');
  const lengthText = options.range ?? defaultRange;
  const length = parseDuration(lengthText);
  if (length === null || length === 0) {
    throw new VedetteError(
      'VED_USAGE',
      `--range: given ${JSON.stringify(lengthText)}, accepted: a duration such as 90m, 24h or 7d`,
    );
  }
  const fromMs = options.from === undefined ? toMs - length : parseInstant(options.from, nowMs, '--from');
  if (fromMs >= toMs)
    throw new VedetteError(
      'VED_USAGE',
      `--from (${formatInstant(fromMs)}) is not before --to (${formatInstant(toMs)})`,
    );
  return { fromMs, toMs };
}

/** `2026-11-21 08:30:05Z` */
export const formatInstant = (ms: number): string =>
  new Date(ms)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.000Z$/, 'Z');
