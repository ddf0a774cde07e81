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

/**
 * The delay of something that comes every `periodMs`, shortened by up to a quarter so that whatever has the same period
 * comes at the same times, and all of it on whole seconds of the monotonic clock: a process that wakes up once for
 * several things spends less than half, because waking up costs more than most of them. Periods below a second stay.
 */
export function inStep(clock: Clock, periodMs: number): number {
  if (periodMs < STEP_MS) return periodMs;
  const now = clock.monotonicMs();
  const stepMs = Math.floor(periodMs / STEP_MS) * STEP_MS;
  const last = Math.floor((now + periodMs) / stepMs) * stepMs;
  // Node.js cuts fractions off, and would wake it just before.
  return Math.max(Math.ceil(last - now), periodMs * (1 - MAX_SHORTER));
}

const STEP_MS = 1_000;
const MAX_SHORTER = 0.25;

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
