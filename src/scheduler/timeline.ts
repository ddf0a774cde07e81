import type { Clock } from '../core/clock.ts';

export interface TimelineOptions {
  clock: Clock;
  /** The wall clock must be ahead for this long before it is believed. */
  settleMs?: number;
  /** The wall clock was ahead for good (a laptop that slept): the time stepped from `fromMs` to `toMs`. */
  onStep?: (fromMs: number, toMs: number) => void;
  /** The wall clock fell behind by `byMs`, more than drift explains. Called once, until it has caught up again. */
  onBehind?: (byMs: number) => void;
}

/**
 * The time that slots are reckoned in, ms since the epoch: the monotonic clock plus an offset. It is anchored to the
 * wall clock, never goes back, follows small differences by running up to 0.5 % faster or slower, and follows a lasting
 * jump of the wall clock forwards by a step. A wall clock that is put back only makes it run slower.
 */
export class Timeline {
  readonly #clock: Clock;
  readonly #settleMs: number;
  readonly #onStep: ((fromMs: number, toMs: number) => void) | undefined;
  readonly #onBehind: ((byMs: number) => void) | undefined;
  #anchorMono: number;
  #anchorMs: number;
  #rate = 1;
  #aheadSince: number | null = null;
  #behind = false;

  constructor({ clock, settleMs = 3000, onStep, onBehind }: TimelineOptions) {
    this.#clock = clock;
    this.#settleMs = settleMs;
    this.#onStep = onStep;
    this.#onBehind = onBehind;
    this.#anchorMono = clock.monotonicMs();
    this.#anchorMs = clock.wallMs();
  }

  now(): number {
    return this.#anchorMs + (this.#clock.monotonicMs() - this.#anchorMono) * this.#rate;
  }

  /** Steps to `ms` when that is ahead: what is stored as done already lies in the past. */
  raise(ms: number): void {
    if (ms > this.now()) this.#anchor(ms);
  }

  /** Compares with the wall clock; to be called about once a second. */
  adjust(): void {
    const now = this.now();
    const mono = this.#clock.monotonicMs();
    const difference = this.#clock.wallMs() - now;
    this.#anchor(now);
    this.#rate = 1;
    if (difference > STEP_MS) {
      this.#aheadSince ??= mono;
      if (mono - this.#aheadSince < this.#settleMs) return;
      this.#aheadSince = null;
      this.#anchor(now + difference);
      this.#onStep?.(now, now + difference);
      return;
    }
    this.#aheadSince = null;
    if (Math.abs(difference) > 1) {
      this.#rate = 1 + Math.max(-MAX_SLEW, Math.min(MAX_SLEW, difference / SLEW_OVER_MS));
    }
    if (difference < -STEP_MS) {
      if (!this.#behind) this.#onBehind?.(-difference);
      this.#behind = true;
    } else if (difference > -STEP_MS / 2) {
      this.#behind = false;
    }
  }

  #anchor(ms: number): void {
    this.#anchorMono = this.#clock.monotonicMs();
    this.#anchorMs = ms;
  }
}

const STEP_MS = 2000;
const MAX_SLEW = 0.005;
/** A small difference is made good over about this long. */
const SLEW_OVER_MS = 10_000;
