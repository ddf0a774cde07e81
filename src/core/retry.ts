import { type Clock, sleep, systemClock } from './clock.ts';

export interface RetryOptions {
  /** First delay in ms; each further one doubles, with +-25 % jitter, up to `maxDelayMs`. */
  minDelayMs?: number;
  maxDelayMs?: number;
  /** Gives up (and throws the last error) when it aborts. */
  signal?: AbortSignal;
  clock?: Clock;
  /** Whether the error may heal by itself; others are thrown at once. Default: all may. */
  isRetryable?: (error: unknown) => boolean;
  /**
   * Interval of repeated reports while the failures last; without it only the first failure and the recovery are
   * reported.
   */
  remindMs?: number;
  /** Called on the first failure, every `remindMs` while failures last, and on recovery. */
  onTransition?: (
    state: { failing: true; error: unknown; forMs: number } | { failing: false; attempts: number },
  ) => void;
}

/**
 * Runs `work` until it succeeds. Retries for ever unless `signal` aborts: a dependency that is down delays, it does not
 * lose data.
 */
export async function retry<T>(work: (attempt: number) => Promise<T>, options: RetryOptions = {}): Promise<T> {
  const { minDelayMs = 100, maxDelayMs = 5_000, signal, clock = systemClock } = options;
  let [failingMs, reportedMs] = [0, 0];
  for (let attempt = 1; ; attempt++) {
    try {
      const value = await work(attempt);
      if (attempt > 1) options.onTransition?.({ failing: false, attempts: attempt });
      return value;
    } catch (error) {
      if (signal?.aborted || options.isRetryable?.(error) === false) throw error;
      const now = clock.monotonicMs();
      if (attempt === 1) failingMs = now;
      if (attempt === 1 || now - reportedMs >= (options.remindMs ?? Number.POSITIVE_INFINITY)) {
        reportedMs = now;
        options.onTransition?.({ failing: true, error, forMs: now - failingMs });
      }
      const delayMs = Math.min(maxDelayMs, minDelayMs * 2 ** Math.min(attempt - 1, 20));
      await sleep(clock, delayMs * (0.75 + Math.random() / 2), signal);
      if (signal?.aborted) throw error;
    }
  }
}
