/**
 * Estimates when the kernel had an event that a callback of the event loop reports. A loop that was asleep wakes up for
 * the event. A loop that was busy finds it when it looks again: the event came at some time since it last looked, on
 * average in the middle, and `doubtMs` is half of that time. The method and its error are in docs/measuring.md.
 */
class LoopWatch {
  /** When the loop was last sampled, and how long it had slept until then. */
  #sampledAt = performance.now();
  #sleptMs = performance.nodeTiming.idleTime;
  /** Since when the loop has not slept. */
  #busySince = this.#sampledAt;
  /** When the loop looked for events, this time and the time before. */
  #looksAt = this.#sampledAt;
  #lookedAt = this.#sampledAt;
  /** Whether callbacks of the current look are under way. */
  #isLooking = false;
  #watchers = 0;
  #beat: NodeJS.Timeout | undefined;

  /** Half of the time in which the last event asked for may have come, in ms. */
  doubtMs = 0;

  /**
   * Returns the time of the event whose callback runs now, on the clock of performance.now(); `notBefore` is the time at
   * which its phase began.
   */
  eventAt(notBefore: number): number {
    this.#look();
    const earliest = Math.min(this.#looksAt, Math.max(this.#lookedAt, notBefore));
    this.doubtMs = (this.#looksAt - earliest) / 2;
    return this.#looksAt - this.doubtMs;
  }

  /** How long the event whose callback runs now has waited for it at most, in ms. */
  waitedMs(): number {
    this.#look();
    return performance.now() - this.#lookedAt;
  }

  /** Samples the loop regularly, so that its stalls are known to within BEAT_MS. Ended by as many calls of unwatch(). */
  watch(): void {
    this.#watchers++;
    if (this.#beat !== undefined) return;
    this.#sample(performance.now());
    this.#beat = setTimeout(this.#onBeat, BEAT_MS).unref();
  }

  unwatch(): void {
    this.#watchers--;
  }

  readonly #onBeat = (): void => {
    this.#sample(performance.now());
    this.#beat = this.#watchers > 0 ? setTimeout(this.#onBeat, BEAT_MS).unref() : undefined;
  };

  /** The first callback of a look tells for all: what they report was there when the loop looked. */
  #look(): void {
    if (this.#isLooking) return;
    const now = performance.now();
    this.#sample(now);
    this.#lookedAt = Math.max(this.#busySince, this.#looksAt);
    this.#looksAt = now;
    this.#isLooking = true;
    // Runs after the callbacks of this look, before the loop sleeps again.
    setImmediate(this.#onLooked);
  }

  readonly #onLooked = (): void => {
    this.#isLooking = false;
    this.#sample(performance.now());
  };

  #sample(now: number): void {
    const { idleTime } = performance.nodeTiming;
    const sleptMs = idleTime - this.#sleptMs;
    // Whether it was busy before or after its sleep is not known: after it, at worst.
    if (sleptMs > 0) this.#busySince = now - Math.max(0, now - this.#sampledAt - sleptMs);
    this.#sampledAt = now;
    this.#sleptMs = idleTime;
  }
}

const BEAT_MS = 10;

/** That of this thread. */
export const loopWatch = new LoopWatch();
