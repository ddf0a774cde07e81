import { type Clock, sleep } from '../core/clock.ts';
import { isRetryable } from '../postgres/retryable.ts';

interface Limits {
  /** Longest time in which it may succeed, ms. */
  limitMs: number;
  /** Aborts the waiting, not a try that is under way. */
  signal: AbortSignal;
}

/** The distance of two tries while PostgreSQL cannot be reached. */
const PAUSE_MS = 250;

/**
 * Work on PostgreSQL that waits while that cannot be reached. However many wait, one tries in each pause, and all do as soon
 * as one has succeeded: a crowd that tries would hold up everything else that needs a connection.
 */
export class Attempts {
  readonly #clock: Clock;
  /** The last try failed. */
  #failing = false;
  /** Resolves at the turn of the last one that waits. */
  #lastTurn: Promise<void> = Promise.resolve();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Returns what `work` returns, at the first try that succeeds; null when none has, and then the last one may still be under
   * way. Throws errors that do not heal.
   */
  async run<T>(work: () => Promise<T>, { limitMs, signal }: Limits): Promise<T | null> {
    const over = new AbortController();
    const end = () => over.abort();
    const ended = new Promise<void>((resolve) =>
      over.signal.addEventListener('abort', () => resolve(), { once: true }),
    );
    let cancel = (): void => undefined;
    const late = new Promise<null>((resolve) => {
      cancel = this.#clock.after(limitMs, () => {
        end();
        resolve(null);
      });
    });
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
    try {
      do {
        if (this.#failing) await Promise.race([this.#nextTurn(over.signal), ended]);
        if (this.#failing && over.signal.aborted) return null;
        try {
          const value = await Promise.race([work(), late]);
          if (value !== null) this.#failing = false;
          return value;
        } catch (error) {
          if (!isRetryable(error)) throw error;
          this.#failing = true;
        }
      } while (!over.signal.aborted);
      return null;
    } finally {
      cancel();
      signal.removeEventListener('abort', end);
    }
  }

  #nextTurn(over: AbortSignal): Promise<void> {
    this.#lastTurn = this.#lastTurn.then(() =>
      this.#failing && !over.aborted ? sleep(this.#clock, PAUSE_MS, over) : undefined,
    );
    return this.#lastTurn;
  }
}
