import { parseDuration } from '../core/duration.ts';
import { parseInstant, TIME_FORMS } from '../core/instant.ts';

/** Half-open: [fromMs, toMs), ms since the epoch. */
export interface TimeRange {
  fromMs: number;
  toMs: number;
}

/** A range as a person or a program writes it: its bounds, or its length up to its end. */
export interface RangeTexts {
  from?: string | undefined;
  to?: string | undefined;
  range?: string | undefined;
}

export interface RangeDefaults {
  nowMs: number;
  /** Default: now. */
  toMs?: number;
  fromMs(toMs: number): number;
}

/** `unreadable`: a text is no time or duration; `reversed`: the start is not before the end; `conflict`: `from` and `range` both give a start. */
export type RangeProblem =
  | { kind: 'unreadable'; name: keyof RangeTexts; given: string; accepted: string }
  | { kind: 'reversed'; range: TimeRange }
  | { kind: 'conflict' };

export type ParsedRange = { ok: true; range: TimeRange } | { ok: false; problems: [RangeProblem, ...RangeProblem[]] };

/** Reads the range of an API query or of a command line; reports every problem. */
export function parseTimeRange(texts: RangeTexts, defaults: RangeDefaults): ParsedRange {
  const problems: RangeProblem[] = [];
  if (texts.range !== undefined && texts.from !== undefined) problems.push({ kind: 'conflict' });
  const read = <T>(name: keyof RangeTexts, parse: (text: string) => T | null, accepted: string): T | undefined => {
    const given = texts[name];
    if (given === undefined) return undefined;
    const value = parse(given);
    if (value === null) problems.push({ kind: 'unreadable', name, given, accepted });
    return value ?? undefined;
  };
  const instant = (text: string) => parseInstant(text, defaults.nowMs);
  const from = read('from', instant, TIME_FORMS);
  const toMs = read('to', instant, TIME_FORMS) ?? defaults.toMs ?? defaults.nowMs;
  const length = read('range', (text) => parseDuration(text) || null, 'a duration such as 90m, 24h or 7d');
  const fromMs = from ?? Math.max(0, length === undefined ? defaults.fromMs(toMs) : toMs - length);
  if (problems.length === 0 && fromMs >= toMs) problems.push({ kind: 'reversed', range: { fromMs, toMs } });
  const [first, ...others] = problems;
  return first ? { ok: false, problems: [first, ...others] } : { ok: true, range: { fromMs, toMs } };
}
