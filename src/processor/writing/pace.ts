import type { Clock } from '../../core/clock.ts';
import type { AssignedPartition } from '../counting/partition.ts';
import type { ProcessorLimits } from '../limits.ts';

export interface PaceOptions {
  clock: Clock;
  limits: ProcessorLimits;
  /** How often many results are written, unless a backlog is being caught up with; few wait up to `quietMsOf` of it. */
  intervalMs: number;
  /** Partitions with counted results that are not written yet. */
  held: () => readonly AssignedPartition[];
}

/**
 * How much is held and how often it is written: seldom while few results come, since a write costs nearly the same for one
 * as for a hundred, but soon when one of them changes the outcome of its series; much and seldom while catching up.
 */
export class Pace {
  readonly #options: PaceOptions;
  /** Monotonic time at which the last flush began. */
  #flushedMs = Number.NEGATIVE_INFINITY;
  /** Monotonic time since which counted results wait for the next flush; null: none do. */
  #waitingSinceMs: number | null = null;

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
    const { clock, limits, intervalMs, held } = this.#options;
    const nowMs = clock.monotonicMs();
    this.#waitingSinceMs ??= nowMs;
    const untilMs = (dueMs: number) => Math.max(dueMs - nowMs, Math.min(intervalMs, GATHER_MS));
    const urgentMs = this.#flushedMs + Math.min(intervalMs, limits.urgentIntervalMs);
    if (held().some((owned) => owned.changesOutcome) && !this.#isOld()) return untilMs(urgentMs);
    if (this.catchingUp) return limits.catchUpIntervalMs;
    const results = held().reduce((total, owned) => total + owned.results, 0);
    if (results < MANY_RESULTS) return untilMs(this.#waitingSinceMs + quietMsOf(intervalMs));
    return untilMs(this.#flushedMs + intervalMs);
  }

  /** A flush has taken everything that was held. */
  flushed(): void {
    this.#flushedMs = this.#options.clock.monotonicMs();
    this.#waitingSinceMs = null;
  }

  /** The results that are held are of the past: nobody waits for them. */
  #isOld(): boolean {
    const { clock, limits, held } = this.#options;
    const oldMs = clock.wallMs() - limits.catchUpAfterMs;
    return held().some((owned) => owned.dirty && owned.newestMs < oldMs);
  }
}

/** How long few results wait at most, when many are written every `intervalMs`. */
export function quietMsOf(intervalMs: number): number {
  return Math.max(intervalMs, Math.min(MAX_QUIET_MS, QUIET_INTERVALS * intervalMs));
}

/** How many flushes a second there are when no outcome changes. */
export function flushesPerSecond(resultsPerSecond: number, intervalMs: number): number {
  const many = Math.min(1_000 / intervalMs, resultsPerSecond / MANY_RESULTS);
  return Math.min(resultsPerSecond, Math.max(many, 1_000 / quietMsOf(intervalMs)));
}

/** A flush of so many costs clearly more than one of a single result. */
const MANY_RESULTS = 100;
const QUIET_INTERVALS = 5;
const MAX_QUIET_MS = 5_000;
/** Results that come together are written together, also after a quiet time. */
const GATHER_MS = 50;
