import { WallTimes } from './wall-times.ts';
import { ZoneClock } from './zone-clock.ts';

/** Slots of one distance; the distance of a single one says nothing. */
export interface Run {
  slots: number;
  periodMs: number;
}

/**
 * The slots of a cron expression: the instants at which a clock on the wall of the time zone shows a matching time. When
 * the clock is put forward, times that it skips fall on the first instant after the change, once. When it is put back,
 * times that it shows twice are slots twice. No operation is linear in the number of slots; the longest take a few steps
 * for each year.
 */
export class CronSlots {
  readonly #wall: WallTimes;
  readonly #zone: ZoneClock | null;

  /** Throws when the expression or the time zone cannot be read. */
  constructor(expression: string, timezone: string | null) {
    this.#wall = new WallTimes(expression);
    this.#zone = timezone === null || timezone === 'UTC' ? null : zoneOf(timezone);
  }

  /** The first slot after `afterMs`; null when there is none. */
  next(afterMs: number): number | null {
    const after = Math.floor(afterMs);
    return this.#zone === null ? this.#wall.next(after) : this.#nextInZone(after, this.#zone);
  }

  /** The last slot in [fromMs, ms]; null when there is none. */
  last(ms: number, fromMs: number): number | null {
    if (ms < fromMs) return null;
    return this.#zone === null ? this.#wall.last(ms, fromMs) : this.#lastInZone(ms, fromMs, this.#zone);
  }

  /** How many slots lie in [fromMs, toMs]. */
  count(fromMs: number, toMs: number): number {
    if (toMs < fromMs) return 0;
    const before = Math.ceil(fromMs) - 1;
    return this.#zone === null ? this.#wall.count(before, toMs) : this.#countInZone(before, toMs, this.#zone);
  }

  /** Slots of one distance, from slot `first` on and not after `toMs`: as many as can be told at a small cost. */
  run(first: number, toMs: number): Run {
    const second = this.next(first);
    if (second === null || second > toMs) return { slots: 1, periodMs: 0 };
    const periodMs = second - first;
    const change = this.#zone?.firstChange(first, toMs) ?? Number.POSITIVE_INFINITY;
    let slots = 2;
    if (periodMs === this.#wall.leastDistanceMs && second < change) {
      // No two are closer until the clock is changed: where there is one for each period, each is at its end.
      let tooMany = Math.floor((Math.min(toMs, change - 1) - first) / periodMs) + 2;
      while (tooMany - slots > 1) {
        const middle = Math.floor((slots + tooMany) / 2);
        if (this.count(first, first + (middle - 1) * periodMs) === middle) slots = middle;
        else tooMany = middle;
      }
    } else {
      for (let slot = second + periodMs; slots < MAX_STEPS && slot <= toMs; slot += periodMs) {
        if (this.next(slot - periodMs) !== slot) break;
        slots++;
      }
    }
    return { slots, periodMs };
  }

  #nextInZone(afterMs: number, zone: ZoneClock): number | null {
    let after = afterMs;
    for (;;) {
      const offset = zone.offsetMs(after);
      const wall = this.#wall.next(after + offset);
      if (wall === null) return null;
      const change = zone.firstChange(after, wall - offset);
      if (change === null) return wall - offset;
      if (this.#isSlotAtChange(change, zone)) return change;
      after = change;
    }
  }

  #lastInZone(ms: number, fromMs: number, zone: ZoneClock): number | null {
    for (let to = ms; ; ) {
      const offset = zone.offsetMs(to);
      const change = zone.lastChange(fromMs, to);
      const wall = this.#wall.last(to + offset, (change ?? fromMs) + offset);
      if (wall !== null) return wall - offset;
      if (change === null) return null;
      if (this.#isSlotAtChange(change, zone)) return change;
      to = change - 1;
      if (to < fromMs) return null;
    }
  }

  /** In (afterMs, toMs]. */
  #countInZone(afterMs: number, toMs: number, zone: ZoneClock): number {
    let count = 0;
    for (let after = afterMs; ; ) {
      const offset = zone.offsetMs(after);
      const change = zone.firstChange(after, toMs);
      if (change === null) return count + this.#wall.count(after + offset, toMs + offset);
      count += this.#wall.count(after + offset, change - 1 + offset);
      if (this.#isSlotAtChange(change, zone)) count++;
      after = change;
    }
  }

  /** The wall clock shows a matching time at the change, or skips one there. */
  #isSlotAtChange(changeMs: number, zone: ZoneClock): boolean {
    const shown = changeMs + zone.offsetMs(changeMs);
    const expected = changeMs + zone.offsetMs(changeMs - 1);
    return this.#wall.count(Math.min(expected, shown) - 1, shown) > 0;
  }
}

/** Distances that are not the least of an expression seldom go on for longer. */
const MAX_STEPS = 100;
const zones = new Map<string, ZoneClock>();

function zoneOf(timezone: string): ZoneClock {
  let zone = zones.get(timezone);
  if (!zone) {
    zone = new ZoneClock(timezone);
    zones.set(timezone, zone);
  }
  return zone;
}
