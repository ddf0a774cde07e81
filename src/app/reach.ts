import type { Clock } from '../core/clock.ts';
import type { Settings } from '../settings.ts';

/** A public process that went is remembered so long: it may only be restarting, and its jobs are still there. */
const REMEMBERED_MS = 600_000;

/** Whether anybody but the person at the machine can reach this process, directly or through a proxy. */
export function isOpenToOthers({ isPublic, server }: Settings): boolean {
  return isPublic || server.allowedHosts.length > 0 || server.trustProxy.length > 0;
}

/**
 * Whether jobs may come from others than the person at the machine, because some process of the database is public. Until
 * the database has been asked they may; while it is away, what was known last stands.
 */
export class Reach {
  readonly #isOpen: boolean;
  readonly #clock: Clock;
  /** In the clock's monotonic time. */
  #publicUntil = Number.POSITIVE_INFINITY;

  constructor(settings: Settings, clock: Clock) {
    this.#isOpen = isOpenToOthers(settings);
    this.#clock = clock;
  }

  get isPublic(): boolean {
    return this.#isOpen || this.#clock.monotonicMs() < this.#publicUntil;
  }

  /** What the database says of all processes that are alive. */
  see(isAnyPublic: boolean): void {
    if (isAnyPublic) this.#publicUntil = this.#clock.monotonicMs() + REMEMBERED_MS;
    else if (this.#publicUntil === Number.POSITIVE_INFINITY) this.#publicUntil = Number.NEGATIVE_INFINITY;
  }
}
