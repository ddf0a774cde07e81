import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import type { DeadLetter } from './tables/dead-letters.ts';

const AT_MOST_EVERY_MS = 60_000;

/** Says in the log which lines were put aside: at once, and then once a minute for as long as there are more. */
export class RefusalLog {
  /** Since the start, by kind. */
  readonly counts: Record<string, number> = {};
  readonly #logger: Logger;
  readonly #clock: Clock;
  #saidAtMs = Number.NEGATIVE_INFINITY;
  #unsaid: Record<string, number> = {};

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#clock = clock;
  }

  add(letters: readonly DeadLetter[]): void {
    for (const { kind } of letters) {
      this.counts[kind] = (this.counts[kind] ?? 0) + 1;
      this.#unsaid[kind] = (this.#unsaid[kind] ?? 0) + 1;
    }
    const last = letters.at(-1);
    const nowMs = this.#clock.monotonicMs();
    if (!last || nowMs - this.#saidAtMs < AT_MOST_EVERY_MS) return;
    this.#saidAtMs = nowMs;
    const { topic, partition, offset, line, error } = last;
    this.#logger.warn(
      { lines: this.#unsaid, last: { topic, partition, offset, line, error } },
      'lines are not counted',
    );
    this.#unsaid = {};
  }
}
