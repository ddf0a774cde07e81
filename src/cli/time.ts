import { parseDuration } from '../core/duration.ts';
import { parseInstant, TIME_FORMS } from '../core/instant.ts';
import { VedetteError } from '../errors.ts';

export interface TimeRange {
  fromMs: number;
  toMs: number;
}

function readInstant(text: string, nowMs: number, option: string): number {
  const at = parseInstant(text, nowMs);
  if (at !== null) return at;
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
  const toMs = options.to === undefined ? nowMs : readInstant(options.to, nowMs, '--to');
  const lengthText = options.range ?? defaultRange;
  const length = parseDuration(lengthText);
  if (length === null || length === 0) {
    throw new VedetteError(
      'VED_USAGE',
      `--range: given ${JSON.stringify(lengthText)}, accepted: a duration such as 90m, 24h or 7d`,
    );
  }
  const fromMs = options.from === undefined ? toMs - length : readInstant(options.from, nowMs, '--from');
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
