import type { Clock } from '../../core/clock.ts';
import type { AssignedPartition } from '../counting/partition.ts';
import type { ProcessorLimits } from '../limits.ts';

export interface PaceOptions {
  clock: Clock;
  limits: ProcessorLimits;
  /** How often results are written, unless one changes an outcome or a backlog is being caught up with. */
  intervalMs: number;
  /** Partitions with counted results that are not written yet. */
  held: () => readonly AssignedPartition[];
}

/**
 * How much is held and how often it is written: seldom, since most of a flush is the rows it touches, whether one result or
 * many changed them; but soon when a result changes the outcome of its series; much at a time while catching up.
 */
export class Pace {
  readonly #options: PaceOptions;
  /** Monotonic time at which the last flush began. */
  #flushedMs = Number.NEGATIVE_INFINITY;

  constructor(options: PaceOptions) {
    this.#options = options;
  }

  /** Nothing more may be held. */
  get full(): boolean {
    const { limits } = this.#options;
    const { catchingUp } = this;
    const held = this.#options.held();
    const sum = (of: (owned: AssignedPartition) => number) => held.reduce((total, owned) => total + of(owned), 0);
    return (
      sum((owned) => owned.bytes) >= limits.bytes ||
      sum((owned) => owned.results) >= (catchingUp ? limits.catchUpResults : limits.results) ||
      sum((owned) => owned.rows) >= (catchingUp ? limits.catchUpRows : limits.rows)
    );
  }

  get catchingUp(): boolean {
    const { clock } = this.#options;
    const longMs = clock.monotonicMs() - this.#options.limits.behindMs;
    return (
      this.#isOld() || this.#options.held().some((owned) => owned.dirty && (owned.behindSinceMs ?? longMs) < longMs)
    );
  }

  /** Time until what is held is to be written. To be asked whenever something was counted. */
  delayMs(): number {
    const { limits, intervalMs, held } = this.#options;
    if (held().some((owned) => owned.changesOutcome) && !this.#isOld()) {
      return this.#untilMs(Math.min(intervalMs, limits.urgentIntervalMs));
    }
    return this.catchingUp ? limits.catchUpIntervalMs : this.#untilMs(intervalMs);
  }

  /** A flush has taken everything that was held. */
  flushed(): void {
    this.#flushedMs = this.#options.clock.monotonicMs();
  }

  /** Time until `intervalMs` have passed since the last flush began, at least a moment. */
  #untilMs(intervalMs: number): number {
    const { clock } = this.#options;
    return Math.max(this.#flushedMs + intervalMs - clock.monotonicMs(), Math.min(intervalMs, GATHER_MS));
  }

  /** The results that are held are of the past: nobody waits for them. */
  #isOld(): boolean {
    const { clock, limits, held } = this.#options;
    const oldMs = clock.wallMs() - limits.catchUpAfterMs;
    return held().some((owned) => owned.dirty && owned.newestMs < oldMs);
  }
}

/** Results that come together are written together, also after a quiet time. */
const GATHER_MS = 50;
