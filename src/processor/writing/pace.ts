import type { Clock } from '../../core/clock.ts';
import type { AssignedPartition } from '../counting/partition.ts';
import type { ProcessorLimits } from '../limits.ts';

export interface PaceOptions {
  clock: Clock;
  limits: ProcessorLimits;
  /** How often is written at most, unless a backlog is being caught up with. */
  intervalMs: number;
  /** Partitions with counted results that are not written yet. */
  held: () => readonly AssignedPartition[];
}

/** How much is held and how often it is written: little and soon, or much and seldom while catching up with a backlog. */
export class Pace {
  readonly #options: PaceOptions;
  /** Monotonic time of the last flush. */
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
    const { clock, limits } = this.#options;
    const oldMs = clock.wallMs() - limits.catchUpAfterMs;
    const longMs = clock.monotonicMs() - limits.behindMs;
    return this.#options
      .held()
      .some((owned) => owned.dirty && (owned.newestMs < oldMs || (owned.behindSinceMs ?? longMs) < longMs));
  }

  /** The rest of the interval since the last flush: after a quiet time the first results are written at once. */
  delayMs(): number {
    const { clock, limits, intervalMs } = this.#options;
    if (this.catchingUp) return limits.catchUpIntervalMs;
    const leftMs = this.#flushedMs + intervalMs - clock.monotonicMs();
    return Math.max(leftMs, Math.min(intervalMs, GATHER_MS));
  }

  flushed(): void {
    this.#flushedMs = this.#options.clock.monotonicMs();
  }
}

/** Results that come together are written together, also after a quiet time. */
const GATHER_MS = 50;
