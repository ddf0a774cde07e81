interface Waiting {
  go: () => void;
  untilMs: number;
}

/** Statements in a window, of which a pool at rest has fewer. */
const BUSY_ENTRIES = 200;
const WINDOW_MS = 10_000;

/**
 * Turns for the connections of a pool: a statement that finds all of them taken waits a moment for one before another is
 * opened, because each costs a process of PostgreSQL, and 10 MB. At rest one is enough for statements that come at the
 * same time: others that are open are left alone then, until the pool closes them.
 */
export class Turns {
  readonly #patienceMs: number;
  readonly #recent: RecentEntries;
  readonly #waiting: Waiting[] = [];
  /** How many hold a connection or are about to get one. */
  #taken = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(patienceMs: number, windowMs = WINDOW_MS) {
    this.#patienceMs = patienceMs;
    this.#recent = new RecentEntries(windowMs);
  }

  /** Resolves when one of the `open` connections is free, or when that takes too long. To be followed by leave(). */
  async enter(open: number): Promise<void> {
    this.#recent.add();
    const usable = this.#recent.areMany ? open : Math.min(open, 1);
    const isFree = this.#waiting.length === 0 && (this.#taken < usable || open === 0);
    if (!isFree) await this.#wait();
    else this.#taken++;
  }

  /** A connection is free again: it is the next one's. */
  leave(): void {
    const next = this.#waiting.shift();
    if (next) next.go();
    else this.#taken--;
  }

  #wait(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ go: resolve, untilMs: performance.now() + this.#patienceMs });
      this.#timer ??= setTimeout(this.#onTime, this.#patienceMs);
    });
  }

  readonly #onTime = (): void => {
    // Timers may be a little early.
    const now = performance.now() + 1;
    while (this.#waiting.length > 0 && (this.#waiting[0] as Waiting).untilMs <= now) {
      this.#waiting.shift()?.go();
      this.#taken++;
      // One connection was not enough, and may not be for a while.
      this.#recent.addMany();
    }
    const [first] = this.#waiting;
    this.#timer = first ? setTimeout(this.#onTime, first.untilMs - now) : undefined;
  };
}

/** Whether there was much to do lately. */
class RecentEntries {
  readonly #windowMs: number;
  #windowEndMs = 0;
  #count = 0;
  #lastCount = 0;

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  add(entries = 1): void {
    this.#advance();
    this.#count += entries;
  }

  addMany(): void {
    this.add(BUSY_ENTRIES);
  }

  get areMany(): boolean {
    return Math.max(this.#count, this.#lastCount) >= BUSY_ENTRIES;
  }

  #advance(): void {
    const now = performance.now();
    if (now < this.#windowEndMs) return;
    this.#lastCount = now < this.#windowEndMs + this.#windowMs ? this.#count : 0;
    this.#count = 0;
    this.#windowEndMs = now + this.#windowMs;
  }
}
