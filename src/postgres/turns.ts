interface Waiting {
  go: () => void;
  untilMs: number;
}

/**
 * Turns for the connections of a pool: whoever finds all of them taken waits a moment for one before another is opened,
 * because each costs a process of PostgreSQL, and 10 MB. At rest one is enough for statements that come at the same time.
 */
export class Turns {
  readonly #patienceMs: number;
  readonly #waiting: Waiting[] = [];
  /** How many hold a connection or are about to get one. */
  #taken = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(patienceMs: number) {
    this.#patienceMs = patienceMs;
  }

  /** Resolves when one of the `open` connections is free, or when that takes too long. To be followed by leave(). */
  async enter(open: number): Promise<void> {
    const isFree = this.#waiting.length === 0 && (this.#taken < open || open === 0);
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
    }
    const [first] = this.#waiting;
    this.#timer = first ? setTimeout(this.#onTime, first.untilMs - now) : undefined;
  };
}
