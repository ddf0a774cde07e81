import { type Clock, inStep } from '../../core/clock.ts';
import type { Timeline } from './timeline.ts';
import { TimingWheel } from './timing-wheel.ts';

export interface StallStats {
  /** Times the event loop came back later than it should have, by more than 15 ms. */
  count: number;
  totalMs: number;
  maxMs: number;
}

/**
 * Drives a timing wheel in the timeline's time with one timer of the clock, and measures on the way how long the event
 * loop was held up. While there is something that a stall could falsify it never sleeps longer than 50 ms, so that a
 * stall is seen at once, else up to a second. It fires for at most 10 ms at a time, so that a crowd of due timers is no
 * stall itself. Timers that are due within 5 ms fire together: waking up costs the process as much as the check itself.
 */
export class Ticker {
  readonly #clock: Clock;
  readonly #timeline: Timeline;
  readonly #wheel: TimingWheel;
  readonly #onDue: (id: number) => void;
  readonly #isIdle: () => boolean;
  readonly #stalls: StallStats = { count: 0, totalMs: 0, maxMs: 0 };
  #cancel: (() => void) | null = null;
  /** Monotonic time at which the clock's timer should fire. */
  #plannedMono = Number.POSITIVE_INFINITY;
  #ticking = false;
  #running = false;

  /** `isIdle` says whether no check is under way; one begins when a timer fires, or while others are under way. */
  constructor(options: { clock: Clock; timeline: Timeline; onDue: (id: number) => void; isIdle: () => boolean }) {
    this.#clock = options.clock;
    this.#timeline = options.timeline;
    this.#onDue = options.onDue;
    this.#isIdle = options.isIdle;
    this.#wheel = new TimingWheel(this.#timeline.now());
  }

  start(): void {
    this.#running = true;
    this.#sleep(0);
  }

  stop(): void {
    this.#running = false;
    this.#cancel?.();
    this.#cancel = null;
    this.#plannedMono = Number.POSITIVE_INFINITY;
  }

  /** Fires `id` at `dueMs` of the timeline, instead of at its former time. */
  set(id: number, dueMs: number): void {
    this.#wheel.set(id, dueMs);
    if (this.#ticking || !this.#running) return;
    const waitMs = Math.max(0, dueMs - this.#timeline.now());
    if (this.#clock.monotonicMs() + waitMs + 1 < this.#plannedMono) this.#sleep(waitMs);
  }

  clear(id: number): void {
    this.#wheel.clear(id);
  }

  /** The timeline was put back to `nowMs`. */
  rewind(nowMs: number): void {
    this.#wheel.rewind(nowMs);
    this.wake();
  }

  /** The timeline has jumped: what it sleeps until may be due. */
  wake(): void {
    if (this.#running && !this.#ticking) this.#sleep(0);
  }

  get timers(): number {
    return this.#wheel.size;
  }

  /** Total time in ms for which the event loop was held up so far, a lasting stall included. */
  stalledMs(): number {
    const late = this.#clock.monotonicMs() - this.#plannedMono;
    return this.#stalls.totalMs + (late > STALL_MS ? late : 0);
  }

  stalls(): StallStats {
    return { ...this.#stalls };
  }

  #sleep(delayMs: number): void {
    this.#cancel?.();
    const mono = this.#clock.monotonicMs();
    this.#plannedMono = delayMs > 0 ? Math.ceil((mono + delayMs) / GATHER_MS) * GATHER_MS : mono;
    // Node.js cuts fractions off, and would wake it for nothing just before.
    this.#cancel = this.#clock.after(Math.ceil(this.#plannedMono - mono), this.#onTime);
  }

  readonly #onTime = (): void => this.#tick();

  #tick(): void {
    const startedMono = this.#clock.monotonicMs();
    this.#measure(startedMono - this.#plannedMono);
    this.#plannedMono = Number.POSITIVE_INFINITY;
    this.#ticking = true;
    const now = this.#timeline.now();
    const done = this.#wheel.advance(now, this.#onDue, () => this.#clock.monotonicMs() - startedMono < SLICE_MS);
    this.#ticking = false;
    if (this.#running) this.#sleep(done ? this.#sleepMs() : 0);
  }

  #sleepMs(): number {
    const limitMs = this.#isIdle() ? inStep(this.#clock, MAX_IDLE_SLEEP_MS) : MAX_SLEEP_MS;
    const rate = Math.max(1, this.#timeline.rate);
    return this.#wheel.sleepMs(this.#timeline.now(), limitMs * rate) / rate;
  }

  #measure(lateMs: number): void {
    if (!(lateMs > STALL_MS)) return;
    this.#stalls.count++;
    this.#stalls.totalMs += lateMs;
    this.#stalls.maxMs = Math.max(this.#stalls.maxMs, lateMs);
  }
}

const GATHER_MS = 5;
const STALL_MS = 15;
const MAX_SLEEP_MS = 50;
const MAX_IDLE_SLEEP_MS = 1_000;
const SLICE_MS = 10;
