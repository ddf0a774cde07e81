import { elementAt } from '../../core/element-at.ts';

/** A period with one offset of the zone from UTC; it ends where the next one begins. */
interface OffsetPeriod {
  fromMs: number;
  offsetMs: number;
}

/** Converts between UTC and the wall time of a zone with the zone data of the runtime, which is read once for each year. */
export class ZoneClock {
  readonly #format: Intl.DateTimeFormat;
  readonly #years = new Map<number, readonly OffsetPeriod[]>();

  /** Throws a RangeError when the time zone is unknown. */
  constructor(timezone: string) {
    this.#format = new Intl.DateTimeFormat('en-US', {
      timeZone: timezone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  }

  /** Wall time minus UTC at an instant, in ms. */
  offsetMs(instantMs: number): number {
    const periods = this.#periods(yearOf(instantMs));
    let i = periods.length - 1;
    while (elementAt(periods, i).fromMs > instantMs) i--;
    return elementAt(periods, i).offsetMs;
  }

  /** The first instant in (fromMs, toMs] with another offset than `fromMs` has; null when there is none. */
  firstChange(fromMs: number, toMs: number): number | null {
    const offset = this.offsetMs(fromMs);
    const end = yearOf(toMs);
    for (let year = yearOf(fromMs); year <= end; year++) {
      for (const period of this.#periods(year)) {
        if (period.fromMs > toMs) return null;
        if (period.fromMs > fromMs && period.offsetMs !== offset) return period.fromMs;
      }
    }
    return null;
  }

  /** The last instant in [fromMs, toMs] that has another offset than the one before it; null when there is none. */
  lastChange(fromMs: number, toMs: number): number | null {
    const offset = this.offsetMs(toMs);
    const end = yearOf(fromMs);
    let change = Number.POSITIVE_INFINITY;
    for (let year = yearOf(toMs); year >= end - 1; year--) {
      const periods = this.#periods(year);
      for (let i = periods.length - 1; i >= 0; i--) {
        const period = elementAt(periods, i);
        if (period.fromMs > toMs) continue;
        if (period.offsetMs !== offset) return change;
        change = period.fromMs;
        if (change < fromMs) return null;
      }
    }
    return null;
  }

  #periods(year: number): readonly OffsetPeriod[] {
    let periods = this.#years.get(year);
    if (!periods) {
      periods = this.#measure(year);
      if (this.#years.size >= KNOWN_YEARS) this.#years.clear();
      this.#years.set(year, periods);
    }
    return periods;
  }

  #measure(year: number): OffsetPeriod[] {
    const endMs = Date.UTC(year + 1, 0, 1);
    let fromMs = Date.UTC(year, 0, 1);
    let offsetMs = this.#offsetAt(fromMs);
    const periods = [{ fromMs, offsetMs }];
    while (fromMs < endMs) {
      const toMs = Math.min(fromMs + STEP_MS, endMs - QUARTER_MS);
      if (this.#offsetAt(toMs) !== offsetMs) {
        fromMs = this.#bisect(fromMs, toMs, offsetMs);
        offsetMs = this.#offsetAt(fromMs);
        periods.push({ fromMs, offsetMs });
      } else {
        fromMs += STEP_MS;
      }
    }
    return periods;
  }

  /** Zones change on whole quarters of an hour only. */
  #bisect(fromMs: number, toMs: number, offsetMs: number): number {
    let low = fromMs / QUARTER_MS;
    let high = toMs / QUARTER_MS;
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (this.#offsetAt(middle * QUARTER_MS) === offsetMs) low = middle;
      else high = middle;
    }
    return high * QUARTER_MS;
  }

  #offsetAt(instantMs: number): number {
    const part = { year: 0, month: 1, day: 1, hour: 0, minute: 0, second: 0 };
    for (const { type, value } of this.#format.formatToParts(instantMs))
      if (type in part) part[type as keyof typeof part] = Number(value);
    return Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute, part.second) - instantMs;
  }
}

const yearOf = (instantMs: number): number => new Date(instantMs).getUTCFullYear();

const QUARTER_MS = 900_000;
/** Two changes are never closer than this in a zone's rules of today. */
const STEP_MS = 7 * 86_400_000;
const KNOWN_YEARS = 1000;
