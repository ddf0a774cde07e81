import { parseInstant, TIME_FORMS } from '../core/instant.ts';
import { VedetteError } from '../errors.ts';

/** Reads `from` and `to` of a query; throws VED_VALIDATION with every problem. */
export function parseTimeRange(
  query: { from?: string; to?: string },
  defaults: { fromMs: (toMs: number) => number; toMs: number; nowMs: number },
): { fromMs: number; toMs: number } {
  const problems: string[] = [];
  const read = (name: 'from' | 'to'): number | undefined => {
    const text = query[name];
    if (text === undefined) return undefined;
    const ms = parseInstant(text, defaults.nowMs);
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
