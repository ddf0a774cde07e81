import type { Clock } from '../../core/clock.ts';

/** How many of the latest checks have no verdict because our own event loop was held up. */
export class StallShare {
  readonly #clock: Clock;
  #recent = { checks: 0, stalled: 0 };
  #before = { checks: 0, stalled: 0 };
  #turnedMono: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#turnedMono = clock.monotonicMs();
  }

  /** A check has ended. */
  add(isStalled: boolean): void {
    this.#turn();
    this.#recent.checks++;
    if (isStalled) this.#recent.stalled++;
  }

  /** A text for people when it happens too often; null otherwise. */
  problem(): string | null {
    this.#turn();
    const checks = this.#recent.checks + this.#before.checks;
    const stalled = this.#recent.stalled + this.#before.stalled;
    if (stalled < MIN_STALLED || stalled < checks * MAX_SHARE) return null;
    const share = `${Math.round((stalled / checks) * 1000) / 10} % of the checks of the last minutes`;
    return `${share} are missed (stalled): this machine is too busy to judge them; give it more CPU, or let more schedulers share the jobs`;
  }

  #turn(): void {
    const mono = this.#clock.monotonicMs();
    const passedMs = mono - this.#turnedMono;
    if (passedMs < WINDOW_MS) return;
    this.#before = passedMs < 2 * WINDOW_MS ? this.#recent : { checks: 0, stalled: 0 };
    this.#recent = { checks: 0, stalled: 0 };
    this.#turnedMono = mono;
  }
}

const WINDOW_MS = 60_000;
const MIN_STALLED = 3;
const MAX_SHARE = 0.01;
