import { Cron } from 'croner';
import { ZoneClock } from './zone-clock.ts';

/**
 * The slots of a cron expression: the instants at which a clock on the wall of the time zone shows a matching time. When
 * the clock is put forward, times that it skips fall on the first instant after the change, once. When it is put back,
 * times that it shows twice are slots twice. croner only parses and walks the calendar: it is given wall times as if
 * they were UTC, because its own zone arithmetic loses the repeated hour.
 */
export class CronSlots {
  readonly #cron: Cron;
  readonly #zone: ZoneClock | null;
  /** Known neighbours: no slot lies between `#froms[i]` and `#nexts[i]`. */
  readonly #known: Array<{ from: number; next: number | null }> = [];

  /** Throws when the expression or the time zone cannot be read. */
  constructor(expression: string, timezone: string | null) {
    this.#cron = new Cron(expression, { paused: true, utcOffset: 0 });
    this.#zone = timezone === null || timezone === 'UTC' ? null : new ZoneClock(timezone);
  }

  /** The first slot after `afterMs`; null when there is none. */
  next(afterMs: number): number | null {
    const after = Math.floor(afterMs);
    for (const pair of this.#known) {
      if (after >= pair.from && (pair.next === null || after < pair.next)) return pair.next;
    }
    const next = this.#zone === null ? this.#nextWall(after) : this.#nextInZone(after, this.#zone);
    this.#known.unshift({ from: after, next });
    if (this.#known.length > KNOWN) this.#known.pop();
    return next;
  }

  /** The last slot at or before `ms` that is not before `fromMs`; null when there is none. */
  last(ms: number, fromMs: number): number | null {
    let last: number | null = null;
    for (let slot = this.next(fromMs - 1); slot !== null && slot <= ms; slot = this.next(slot)) last = slot;
    return last;
  }

  #nextInZone(after: number, zone: ZoneClock): number | null {
    let from = after;
    for (;;) {
      const offset = zone.offsetMs(from);
      const wall = this.#nextWall(from + offset);
      if (wall === null) return null;
      const change = zone.firstChange(from, wall - offset);
      if (change === null) return wall - offset;
      const jump = zone.offsetMs(change) - offset;
      // The wall shows change + offset .. change + offset + jump at no time: what matches there happens at the change.
      if (jump > 0 && wall < change + offset + jump) return change;
      from = change - 1;
      const atChange = this.#nextWall(change + offset + jump - 1);
      if (atChange === null) return null;
      if (atChange === change + offset + jump) return change;
      from = change;
    }
  }

  /** croner works in whole seconds and answers what comes after them. */
  #nextWall(wallMs: number): number | null {
    return this.#cron.nextRun(new Date(Math.floor(wallMs / 1000) * 1000))?.getTime() ?? null;
  }
}

const KNOWN = 16;
