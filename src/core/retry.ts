import { type Clock, sleep, systemClock } from './clock.ts';

export interface RetryOptions {
  /** First delay in ms; each further one doubles, with +-25 % jitter, up to `maxDelayMs`. */
  minDelayMs?: number;
  maxDelayMs?: number;
  /** Gives up (and throws the last error) when it aborts. */
  signal?: AbortSignal;
  clock?: Clock;
  /** Says whether the error may heal by itself; others are thrown at once. Default: all may. */
  isRetryable?: (error: unknown) => boolean;
  /** Called on the first failure of a streak and again on recovery, so that callers log once per transition. */
  onTransition?: (state: { failing: true; error: unknown } | { failing: false; attempts: number }) => void;
}

/** Runs `work` until it succeeds. Retries for ever unless `signal` aborts: a dependency that is down delays, it never loses. */
export async function retry<T>(work: (attempt: number) => Promise<T>, options: RetryOptions = {}): Promise<T> {
  const { minDelayMs = 100, maxDelayMs = 5_000, signal, clock = systemClock } = options;
  for (let attempt = 1; ; attempt++) {
    try {
      const value = await work(attempt);
      if (attempt > 1) options.onTransition?.({ failing: false, attempts: attempt });
      return value;
    } catch (error) {
      if (signal?.aborted || options.isRetryable?.(error) === false) throw error;
      if (attempt === 1) options.onTransition?.({ failing: true, error });
      const delayMs = Math.min(maxDelayMs, minDelayMs * 2 ** Math.min(attempt - 1, 20));
      await sleep(clock, delayMs * (0.75 + Math.random() / 2), signal);
      if (signal?.aborted) throw error;
    }
  }
}
