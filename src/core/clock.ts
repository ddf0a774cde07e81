/** The source of time. Code that waits or reads the time is given a Clock, so that tests control it. */
export interface Clock {
  /** Wall time in ms since the epoch, UTC. It may jump; never measure a duration with it. */
  wallMs(): number;
  /** Monotonic time in ms (fractions included) from an arbitrary origin. It never jumps and never goes back. */
  monotonicMs(): number;
  /** Calls `callback` once after `delayMs`. The returned function cancels it. Does not keep the process alive. */
  after(delayMs: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** Resolves after `delayMs`, or at once when `signal` aborts; it never rejects. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const finish = () => {
      cancel();
      signal?.removeEventListener('abort', finish);
      resolve();
    };
    const cancel = clock.after(delayMs, finish);
    signal?.addEventListener('abort', finish, { once: true });
  });
}
