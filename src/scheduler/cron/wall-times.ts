import { Cron } from 'croner';
import { MatchingDays } from './matching-days.ts';
import { TimesOfDay } from './times-of-day.ts';

/**
 * The times on a wall clock that a cron expression matches: each of its times of day on each of its days. Times are ms
 * since 1970 as if the wall showed UTC. croner interprets the fields; positions and counts follow from them, so that
 * a count costs the same for an hour and for years.
 */
export class WallTimes {
  readonly #days: MatchingDays;
  readonly #times: TimesOfDay;

  /** Throws when the expression cannot be read. */
  constructor(expression: string) {
    const [second, minute, hour, day, month, weekday] = fieldsOf(expression);
    this.#times = new TimesOfDay(second, minute, hour);
    this.#days = daysOf(day, month, weekday);
  }

  /** How many lie in (afterMs, toMs]. */
  count(afterMs: number, toMs: number): number {
    if (toMs <= afterMs) return 0;
    const after = placeOf(afterMs);
    const to = placeOf(toMs);
    return this.#days.count(after.day - 1, to.day - 1) * this.#times.size + this.#upTo(to) - this.#upTo(after);
  }

  /** The first one after `afterMs`; null when there is none. */
  next(afterMs: number): number | null {
    const { day, time } = placeOf(afterMs);
    const index = this.#days.has(day) ? this.#times.upTo(time) : this.#times.size;
    if (index < this.#times.size) return toMs(day, this.#times.at(index));
    const next = this.#days.first(day + 1);
    return next === null ? null : toMs(next, this.#times.at(0));
  }

  /** The last one in [fromMs, ms]; null when there is none. */
  last(ms: number, fromMs: number): number | null {
    const { day, time } = placeOf(ms);
    const count = this.#days.has(day) ? this.#times.upTo(time) : 0;
    const before = count > 0 ? day : this.#days.last(day - 1, placeOf(fromMs).day);
    if (before === null) return null;
    const last = toMs(before, this.#times.at((before === day ? count : this.#times.size) - 1));
    return last < fromMs ? null : last;
  }

  /** No two of them are closer. */
  get leastDistanceMs(): number {
    return this.#times.leastDistance * 1000;
  }

  /** How many of its day are not later. */
  #upTo({ day, time }: Place): number {
    return this.#days.has(day) ? this.#times.upTo(time) : 0;
  }
}

interface Place {
  /** Days since 1970. */
  day: number;
  /** Whole seconds since midnight. */
  time: number;
}

function placeOf(ms: number): Place {
  const seconds = Math.floor(ms / 1000);
  const day = Math.floor(seconds / DAY_SECONDS);
  return { day, time: seconds - day * DAY_SECONDS };
}

const toMs = (day: number, time: number): number => (day * DAY_SECONDS + time) * 1000;

/** Second, minute, hour, day, month and weekday. */
function fieldsOf(expression: string): [string, string, string, string, string, string] {
  // The whole expression is parsed first: croner's message about it is better than one about a part.
  new Cron(expression, { paused: true, utcOffset: 0 });
  const fields = (NICKNAMES[expression.trim().toLowerCase()] ?? expression).trim().split(/\s+/);
  if (fields.length === 5) fields.unshift('0');
  if (fields.length !== 6) throw new Error('a cron expression has 5 or 6 fields');
  return fields as [string, string, string, string, string, string];
}

/** Dates are few, expressions that share them many. */
function daysOf(day: string, month: string, weekday: string): MatchingDays {
  const key = `${day} ${month} ${weekday}`;
  let days = knownDays.get(key);
  if (!days) {
    days = new MatchingDays(day, month, weekday);
    if (knownDays.size >= MAX_KNOWN) knownDays.clear();
    knownDays.set(key, days);
  }
  return days;
}

const knownDays = new Map<string, MatchingDays>();
const MAX_KNOWN = 1000;
const DAY_SECONDS = 86_400;
const NICKNAMES: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};
