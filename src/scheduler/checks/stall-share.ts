import type { Clock } from '../../core/clock.ts';
import { LastMinutes } from './last-minutes.ts';

/** How many of the latest checks have no verdict because our own event loop was held up. */
export class StallShare {
  readonly #minutes: LastMinutes<{ checks: number; stalled: number }>;

  constructor(clock: Clock) {
    this.#minutes = new LastMinutes(clock, () => ({ checks: 0, stalled: 0 }));
  }

  /** A check has ended. */
  add(isStalled: boolean): void {
    const { recent } = this.#minutes.now();
    recent.checks++;
    if (isStalled) recent.stalled++;
  }

  /** A text for people when it happens too often; null otherwise. */
  problem(): string | null {
    const { recent, before } = this.#minutes.now();
    const checks = recent.checks + before.checks;
    const stalled = recent.stalled + before.stalled;
    if (stalled < MIN_STALLED || stalled < checks * MAX_SHARE) return null;
    const share = `${Math.round((stalled / checks) * 1000) / 10} % of the checks of the last minutes`;
    return `${share} are missed (stalled): this machine is too busy to judge them; give it more CPU, or let more schedulers share the jobs`;
  }
}

const MIN_STALLED = 3;
const MAX_SHARE = 0.01;
