import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../core/logger.ts';
import { isRetryable } from '../../postgres/pool.ts';

/** Whether counted results can be written; logged once per transition. */
export class Outage {
  /** Wall time in ms at which it began; null while there is none. */
  since: number | null = null;
  /** The last error, in its own words; null while there is none. */
  reason: string | null = null;
  readonly #logger: Logger;
  readonly #clock: Clock;

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#clock = clock;
  }

  failed(error: unknown): void {
    this.reason = error instanceof Error ? error.message || String((error as { code?: unknown }).code) : String(error);
    if (this.since !== null) return;
    this.since = this.#clock.wallMs();
    // A fault that does not heal by itself (a missing table, a missing right) needs a person.
    this.#logger[isRetryable(error) ? 'warn' : 'error']({ err: error }, 'results cannot be written; they wait');
  }

  ended(): void {
    if (this.since === null) return;
    const awayMs = this.#clock.wallMs() - this.since;
    this.since = null;
    this.reason = null;
    this.#logger.info({ awayMs }, 'results are written again');
  }
}
