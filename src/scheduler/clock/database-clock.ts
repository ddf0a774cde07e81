import type { Clock } from '../../core/clock.ts';

/**
 * The database's clock, extrapolated with the monotonic clock since it was last read, and the choice of the clock to
 * follow: this machine's own while it is near the database's, else the database's, which all processes share.
 */
export class DatabaseClock {
  readonly #clock: Clock;
  /** The database's clock minus the monotonic clock; null until it was read. */
  #offsetMs: number | null = null;
  #readMono = 0;
  /** How far the own clock was ahead when the two were last compared. */
  #aheadMs = 0;
  #jumped = false;
  #followed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The database's clock showed `databaseMs` some time between `askedMono` and now. */
  read(databaseMs: number, askedMono: number): void {
    const mono = this.#clock.monotonicMs();
    if (mono - askedMono > MAX_ROUND_TRIP_MS) return;
    this.#offsetMs = databaseMs - (askedMono + mono) / 2;
    this.#readMono = mono;
    this.#aheadMs = this.#clock.wallMs() - mono - this.#offsetMs;
    this.#jumped = false;
  }

  /** The database's time now; null when it is not known. */
  now(): number | null {
    const mono = this.#clock.monotonicMs();
    if (this.#offsetMs === null || (this.#jumped && mono - this.#readMono > FRESH_MS)) return null;
    return this.#offsetMs + mono;
  }

  /** The time that is to be followed: that of the own clock, or of the database's when the two differ too much. */
  followedMs(): number {
    const wall = this.#clock.wallMs();
    const database = this.now();
    if (database === null) {
      this.#followed = false;
      return wall;
    }
    const ahead = wall - database;
    if (Math.abs(ahead - this.#aheadMs) > JUMP_MS) this.#jumped = true;
    this.#aheadMs = ahead;
    if (Math.abs(ahead) > MAX_AHEAD_MS) this.#followed = true;
    else if (Math.abs(ahead) < MAX_AHEAD_MS / 2) this.#followed = false;
    return this.#followed ? database : wall;
  }

  /** The clocks differ so much that the database's is followed. */
  get followed(): boolean {
    return this.#followed;
  }

  /** The own clock has jumped since the database's was read, so that a difference may be the sleep of this machine. */
  get jumped(): boolean {
    return this.#jumped;
  }

  /** How far the own clock is ahead of the database's; null when that is not known. */
  aheadMs(): number | null {
    const database = this.now();
    return database === null ? null : this.#clock.wallMs() - database;
  }
}

/** No slot further ahead of the database's clock is published. */
export const MAX_AHEAD_MS = 30_000;
/** The moment of a reading that took longer is too uncertain. */
const MAX_ROUND_TRIP_MS = 5_000;
/** A reading is used for this long although the own clock has jumped since. */
const FRESH_MS = 15_000;
const JUMP_MS = 2_000;
