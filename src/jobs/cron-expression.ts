import { Cron } from 'croner';

/** Many jobs share few expressions. */
const known = new Map<string, number | string>();
const MAX_KNOWN = 10_000;
const RUNS = 64;
const NICKNAME = /^@(yearly|annually|monthly|weekly|daily|midnight|hourly)$/i;

/**
 * Returns the shortest distance in ms between two consecutive runs of a sample year; a text for people if the
 * expression is invalid. Infinity if it runs only once.
 */
export function cronGapMs(expression: string): number | string {
  const cached = known.get(expression);
  if (cached !== undefined) return cached;
  const gap = measure(expression);
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(expression, gap);
  return gap;
}

function measure(expression: string): number | string {
  const fields = expression.trim().split(/\s+/).length;
  // croner accepts a date too, which is not a schedule.
  if (!NICKNAME.test(expression.trim()) && (fields < 5 || fields > 6)) {
    return 'a cron expression of 5 or 6 fields, or @hourly and the like';
  }
  try {
    const cron = new Cron(expression, { paused: true, utcOffset: 0 });
    const runs = cron.nextRuns(RUNS, new Date(Date.UTC(2027, 11, 31, 23, 59, 59))).map((run) => run.getTime());
    if (runs.length === 0) return 'a cron expression that matches some day';
    return runs.reduce((gap, run, index) => Math.min(gap, run - (runs[index - 1] ?? -Infinity)), Infinity);
  } catch (error) {
    const text = error instanceof Error ? error.message.replace(/^(CronPattern|Cron): /, '') : String(error);
    return `a cron expression: ${text}`;
  }
}
