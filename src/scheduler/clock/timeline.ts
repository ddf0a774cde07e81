import type { Clock } from '../../core/clock.ts';
import { DatabaseClock, MAX_AHEAD_MS } from './database-clock.ts';

export interface TimelineOptions {
  clock: Clock;
  /** The time stepped from `fromMs` to `toMs`, which is later: the slots in between have passed. */
  onStep?: (fromMs: number, toMs: number) => void;
  /** The time stepped back from `fromMs` to `toMs`: the slots in between come a second time, and are done already. */
  onStepBack?: (fromMs: number, toMs: number) => void;
  /** The problem of the clock has changed; null: there is none any more. */
  onProblem?: (problem: string | null) => void;
}

/**
 * The time in which slots are computed, ms since the epoch: the monotonic clock plus an offset. It follows this machine's
 * wall clock, or the database's when the two are more than 30 s apart, and is never more than 30 s ahead of the
 * database's. Small differences are corrected by running a little faster or slower, up to 30 s ahead by running at half
 * speed, larger ones by a step: forwards only after a while, because such a jump is often taken back.
 */
export class Timeline {
  readonly #clock: Clock;
  readonly #database: DatabaseClock;
  readonly #onStep: ((fromMs: number, toMs: number) => void) | undefined;
  readonly #onStepBack: ((fromMs: number, toMs: number) => void) | undefined;
  readonly #onProblem: ((problem: string | null) => void) | undefined;
  #anchorMono: number;
  #anchorMs: number;
  #rate = 1;
  /** Monotonic time since which a step is due; null when none is. */
  #differsSince: number | null = null;
  #differenceMs = 0;
  /** The latest instant before the last step back. */
  #reached = Number.NEGATIVE_INFINITY;
  #told: ClockProblem | null = null;

  constructor({ clock, onStep, onStepBack, onProblem }: TimelineOptions) {
    this.#clock = clock;
    this.#database = new DatabaseClock(clock);
    this.#onStep = onStep;
    this.#onStepBack = onStepBack;
    this.#onProblem = onProblem;
    this.#anchorMono = clock.monotonicMs();
    this.#anchorMs = clock.wallMs();
  }

  now(): number {
    return this.#anchorMs + (this.#clock.monotonicMs() - this.#anchorMono) * this.#rate;
  }

  /** How fast it runs, of the clock's speed. It may change by half a percent with each `adjust`. */
  get rate(): number {
    return this.#rate;
  }

  /** Time does not lie before `ms`, the stored progress, unless the clock of the process that stored it was wrong. */
  raise(ms: number): void {
    const database = this.#database.now();
    if (ms > this.now() && (database === null || ms <= database + MAX_AHEAD_MS)) this.#anchor(ms);
  }

  /**
   * The database's clock showed `databaseMs` some time between `askedMono` (monotonic) and now. With `isFree` no slot
   * depends on the timeline yet, and it is corrected at once.
   */
  compare(databaseMs: number, askedMono: number, isFree = false): void {
    this.#database.read(databaseMs, askedMono);
    const followed = this.#database.followedMs();
    const database = this.#database.now();
    if (isFree) {
      const now = this.now();
      this.#differsSince = null;
      this.#reached = Number.NEGATIVE_INFINITY;
      this.#anchor(followed);
      if (followed < now) this.#onStepBack?.(now, followed);
    } else if (database !== null && this.now() > database + MAX_AHEAD_MS) {
      // Processors refuse slots that far ahead: there is no time to see whether the difference lasts.
      this.#step(followed);
    }
    this.#tell();
  }

  /** Follows the clock; to be called about once a second. */
  adjust(): void {
    const now = this.now();
    this.#differenceMs = this.#database.followedMs() - now;
    this.#anchor(now);
    if (this.#differenceMs > STEP_MS || this.#differenceMs < -MAX_AHEAD_MS) {
      const mono = this.#clock.monotonicMs();
      this.#differsSince ??= mono;
      const settleMs = this.#differenceMs > MAX_AHEAD_MS ? LONG_SETTLE_MS : SETTLE_MS;
      if (mono - this.#differsSince >= settleMs) this.#step(now + this.#differenceMs);
    } else {
      this.#differsSince = null;
      this.#rate = rateFor(this.#differenceMs);
    }
    this.#tell();
  }

  /** The clock has jumped far ahead and may be corrected again: the slot of a check made now would be uncertain. */
  get unsettled(): boolean {
    return this.#differsSince !== null && this.#differenceMs > MAX_AHEAD_MS;
  }

  /** How far this machine's clock is ahead of the database's; null when that is not known. */
  aheadMs(): number | null {
    return this.#database.aheadMs();
  }

  /** The problem of the clock, for people; null when there is none. */
  problem(): string | null {
    const kind = this.#problem();
    if (kind === null) return null;
    const byMs = kind === 'differs' ? (this.#database.aheadMs() ?? 0) : this.#differenceMs;
    return PROBLEMS[kind](Math.round(byMs / 1000), new Date(Math.max(0, this.#reached)).toISOString());
  }

  #problem(): ClockProblem | null {
    if (this.#database.followed && !this.#database.jumped) return 'differs';
    if (this.unsettled) return 'jumped';
    if (this.now() < this.#reached) return 'put back';
    return this.#rate === CATCH_UP_RATE ? 'behind' : null;
  }

  #tell(): void {
    const kind = this.#problem();
    if (kind === this.#told) return;
    this.#told = kind;
    this.#onProblem?.(this.problem());
  }

  #step(toMs: number): void {
    const now = this.now();
    this.#differsSince = null;
    this.#anchor(toMs);
    if (toMs > now) {
      this.#onStep?.(now, toMs);
    } else {
      this.#reached = now;
      this.#onStepBack?.(now, toMs);
    }
  }

  #anchor(ms: number): void {
    this.#anchorMono = this.#clock.monotonicMs();
    this.#anchorMs = ms;
    this.#rate = 1;
  }
}

/** The rate at which time runs to correct a difference without a step. */
function rateFor(differenceMs: number): number {
  if (differenceMs < -STEP_MS) return CATCH_UP_RATE;
  if (Math.abs(differenceMs) <= 1) return 1;
  return 1 + Math.max(-MAX_SLEW, Math.min(MAX_SLEW, differenceMs / SLEW_OVER_MS));
}

type ClockProblem = 'differs' | 'jumped' | 'put back' | 'behind';

const PROBLEMS = {
  differs: (seconds) =>
    `the clock of this machine is ${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'} that of PostgreSQL, which is followed`,
  jumped: (seconds) => `the clock jumped ${seconds} s ahead: checks wait until it is certain that it stays there`,
  'put back': (_, until) =>
    `the clock was put back: what was due until ${until} is counted already and is not checked again`,
  behind: (seconds) =>
    `slots are ${-seconds} s ahead of the clock: they come at half their pace until it has caught up`,
} satisfies Record<ClockProblem, (seconds: number, until: string) => string>;

const STEP_MS = 2000;
/** A jump of the clock must last this long before it is followed. */
const SETTLE_MS = 3000;
/** A jump ahead that would leave more than some slots out. */
const LONG_SETTLE_MS = 15_000;
const MAX_SLEW = 0.005;
const CATCH_UP_RATE = 0.5;
/** A small difference is corrected over about this time. */
const SLEW_OVER_MS = 10_000;
