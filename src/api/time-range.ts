import { VedetteError } from '../errors.ts';
import { MAX_TIME_MS } from './cursor.ts';

const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};
const ISO = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?$/;

export const TIME_FORMS =
  'an ISO 8601 time (UTC unless it says otherwise), milliseconds since the epoch, now, or a time before now such as -15m, -1h, -7d';

/** Reads a time as people and programs write it; null when it is none. */
export function parseTime(text: string, nowMs: number): number | null {
  if (text === 'now') return nowMs;
  const relative = /^-(\d{1,9})([smhdw])$/.exec(text);
  if (relative) return within(nowMs - Number(relative[1]) * (UNIT_MS[relative[2] as string] as number));
  if (/^\d{1,15}$/.test(text)) return within(Number(text));
  if (!ISO.test(text)) return null;
  const [year, month, day] = text.slice(0, 10).split('-').map(Number) as [number, number, number];
  // Date.parse takes the 31st of any month.
  if (new Date(Date.UTC(year, month - 1, day)).getUTCDate() !== day) return null;
  const zoned = text.length === 10 || /(Z|[+-]\d{2}:?\d{2})$/.test(text.slice(10)) ? text : `${text}Z`;
  const ms = Date.parse(zoned);
  return Number.isNaN(ms) ? null : within(ms);
}

function within(ms: number): number | null {
  return ms >= 0 && ms <= MAX_TIME_MS ? ms : null;
}

/** Reads `from` and `to` of a query; throws VED_VALIDATION with every problem. */
export function parseTimeRange(
  query: { from?: string; to?: string },
  defaults: { fromMs: (toMs: number) => number; toMs: number; nowMs: number },
): { fromMs: number; toMs: number } {
  const problems: string[] = [];
  const read = (name: 'from' | 'to'): number | undefined => {
    const text = query[name];
    if (text === undefined) return undefined;
    // An unescaped plus sign of a time zone arrives as a space.
    const ms = parseTime(text.replace(/ (?=\d{2}:?\d{2}$)/, '+'), defaults.nowMs);
    if (ms === null) problems.push(`${name}: given ${JSON.stringify(text.slice(0, 60))}, accepted: ${TIME_FORMS}`);
    return ms ?? undefined;
  };
  const from = read('from');
  const toMs = read('to') ?? defaults.toMs;
  const fromMs = from ?? Math.max(0, defaults.fromMs(toMs));
  if (problems.length === 0 && fromMs >= toMs) {
    problems.push(
      `from: given ${new Date(fromMs).toISOString()}, accepted: a time before to (${new Date(toMs).toISOString()})`,
    );
  }
  if (problems.length > 0) throw new VedetteError('VED_VALIDATION', `query: ${problems.join('; ')}`);
  return { fromMs, toMs };
}
