import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../core/logger.ts';
import { isRetryable } from '../../postgres/pool.ts';

/**
 * Whether counted results can be written; logged once per transition. Several pieces of work wait for the database at a
 * time (a flush, and each partition that reads how far its series are counted): it lasts until none of them fails.
 */
export class Outage {
  /** Wall time in ms at which it began; null while there is none. */
  since: number | null = null;
  /** The last error, in its own words; null while there is none. */
  reason: string | null = null;
  readonly #failing = new Set<object>();
  readonly #logger: Logger;
  readonly #clock: Clock;

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#clock = clock;
  }

  /** `work` tries again; it stays the same over its tries. */
  failed(work: object, error: unknown): void {
    this.#failing.add(work);
    this.reason = error instanceof Error ? error.message || String((error as { code?: unknown }).code) : String(error);
    if (this.since !== null) return;
    this.since = this.#clock.wallMs();
    // A fault that does not heal by itself (a missing table, a missing right) needs a person.
    this.#logger[isRetryable(error) ? 'warn' : 'error']({ err: error }, 'results cannot be written; they wait');
  }

  /** `work` has succeeded, or is no longer tried. */
  ended(work: object): void {
    this.#failing.delete(work);
    if (this.since === null || this.#failing.size > 0) return;
    const awayMs = this.#clock.wallMs() - this.since;
    this.since = null;
    this.reason = null;
    this.#logger.info({ awayMs }, 'results are written again');
  }
}
