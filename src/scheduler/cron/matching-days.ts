import { Cron } from 'croner';

/**
 * The days that the fields day, month and weekday of a cron expression match, as days since 1970. Whether a day matches
 * depends on its month, the length of the month and the weekday on which the month begins, so croner is asked once for
 * each such kind of month, and no count has to visit days.
 */
export class MatchingDays {
  readonly #cron: Cron;
  /** For each kind of month a bit for each day that matches; -1 while it is not known. */
  readonly #months = new Int32Array(KINDS).fill(-1);
  /** For each kind of year (weekday of its first day, leap or not) how many days match; -1 while it is not known. */
  readonly #years = new Int32Array(14).fill(-1);

  constructor(day: string, month: string, weekday: string) {
    this.#cron = new Cron(`0 0 0 ${day} ${month} ${weekday}`, { paused: true, utcOffset: 0 });
  }

  /** How many days match in (afterDay, toDay]. */
  count(afterDay: number, toDay: number): number {
    const after = dateOf(afterDay);
    const to = dateOf(toDay);
    let count = this.#upTo(to) - this.#upTo(after);
    for (let year = after.year; year < to.year; year++) count += this.#inYear(year);
    return count;
  }

  /** The first one at or after `day`; null when there is none. */
  first(day: number): number | null {
    const { year, month, date } = dateOf(day);
    let mask = this.#inMonth(year, month) & ~below(date);
    for (let ahead = 1; mask === 0 && ahead <= CYCLE_MONTHS; ahead++) {
      mask = this.#inMonth(year, month + ahead);
      if (mask !== 0) return firstDayOf(year, month + ahead) + lowestBit(mask);
    }
    return mask === 0 ? null : day - date + lowestBit(mask);
  }

  /** The last one in [fromDay, day]; null when there is none. */
  last(day: number, fromDay: number): number | null {
    const { year, month, date } = dateOf(day);
    let first = day - date;
    let mask = this.#inMonth(year, month) & below(date + 1);
    for (let back = 1; mask === 0 && first > fromDay && back <= CYCLE_MONTHS; back++) {
      first = firstDayOf(year, month - back);
      mask = this.#inMonth(year, month - back);
    }
    const last = mask === 0 ? fromDay - 1 : first + highestBit(mask);
    return last < fromDay ? null : last;
  }

  has(day: number): boolean {
    const { year, month, date } = dateOf(day);
    return (this.#inMonth(year, month) & (1 << date)) !== 0;
  }

  /** Those of the same year that are not after the date. */
  #upTo({ year, month, date }: CalendarDate): number {
    let count = bits(this.#inMonth(year, month) & below(date + 1));
    for (let earlier = 0; earlier < month; earlier++) count += bits(this.#inMonth(year, earlier));
    return count;
  }

  #inYear(year: number): number {
    const first = firstDayOf(year, 0);
    const kind = weekdayOf(first) * 2 + (firstDayOf(year + 1, 0) - first - 365);
    if (this.#years[kind] === -1) {
      let count = 0;
      for (let month = 0; month < 12; month++) count += bits(this.#inMonth(year, month));
      this.#years[kind] = count;
    }
    return this.#years[kind] as number;
  }

  /** `month` may lie outside of the year. */
  #inMonth(year: number, month: number): number {
    const first = firstDayOf(year, month);
    const length = firstDayOf(year, month + 1) - first;
    const kind = ((length - 28) * 7 + weekdayOf(first)) * 12 + (((month % 12) + 12) % 12);
    if (this.#months[kind] === -1) {
      let mask = 0;
      for (let date = 0; date < length; date++) {
        if (this.#cron.match(new Date((first + date) * DAY_MS))) mask |= 1 << date;
      }
      this.#months[kind] = mask;
    }
    return this.#months[kind] as number;
  }
}

interface CalendarDate {
  year: number;
  /** From 0. */
  month: number;
  /** Day of the month from 0. */
  date: number;
}

function dateOf(day: number): CalendarDate {
  const at = new Date(day * DAY_MS);
  return { year: at.getUTCFullYear(), month: at.getUTCMonth(), date: at.getUTCDate() - 1 };
}

const firstDayOf = (year: number, month: number): number => Date.UTC(year, month, 1) / DAY_MS;
/** 1970 began on a Thursday. */
const weekdayOf = (day: number): number => (((day + 4) % 7) + 7) % 7;
/** The bits below `bit`, which is at most 31: a shift by 32 would be none. */
const below = (bit: number): number => (bit >= 31 ? 0x7fffffff : (1 << bit) - 1);
const lowestBit = (mask: number): number => 31 - Math.clz32(mask & -mask);
const highestBit = (mask: number): number => 31 - Math.clz32(mask);

function bits(mask: number): number {
  let count = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) count++;
  return count;
}

const DAY_MS = 86_400_000;
const KINDS = 4 * 7 * 12;
/** The calendar repeats after 400 years: an expression that matches in none of them never matches. */
const CYCLE_MONTHS = 4800;
