import type { Logger } from './logger.ts';
import { retry } from './retry.ts';

/** How often a process that waits logs it. */
const REMIND_MS = 30_000;

export interface UntilReachableOptions {
  isRetryable: (error: unknown) => boolean;
  logger: Logger;
  signal?: AbortSignal | undefined;
  /** The name of the server in log lines: `database`, `stream`. */
  server: string;
  place?: string;
}

/** Repeats `work` while a server cannot be reached, and logs it; rejects as soon as `signal` aborts. */
export function untilReachable<T>(
  work: () => Promise<T>,
  { isRetryable, logger, signal, server, place }: UntilReachableOptions,
): Promise<T> {
  const waiting = retry(work, {
    ...(signal ? { signal } : {}),
    isRetryable,
    remindMs: REMIND_MS,
    onTransition: (state) =>
      state.failing
        ? logger.warn(
            { place, reason: reasonOf(state.error), waitedMs: state.forMs },
            `${server} cannot be reached, waiting for it`,
          )
        : logger.info({ place }, `${server} is there`),
  });
  return signal ? Promise.race([waiting, abortOf(signal)]) : waiting;
}

/** A server that is away is no defect: a stack would be of no use. */
const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function abortOf(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}
