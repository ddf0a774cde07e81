import type { Clock } from '../core/clock.ts';
import type { Settings } from '../settings.ts';

/** A public process that ended is remembered so long: it may only be restarting, and its jobs are still there. */
const REMEMBERED_MS = 600_000;

/** Whether others than the user of this machine can reach this process, directly or through a proxy. */
export function isExposed({ isPublic, server }: Settings): boolean {
  return isPublic || server.allowedHosts.length > 0 || server.trustProxy.length > 0;
}

/**
 * Whether jobs may come from others than the user of this machine, because some process of the database is public. Until
 * the database has been asked they may; while it is away, the last known value holds.
 */
export class Exposure {
  readonly #isExposed: boolean;
  readonly #clock: Clock;
  /** In the clock's monotonic time. */
  #publicUntil = Number.POSITIVE_INFINITY;

  constructor(settings: Settings, clock: Clock) {
    this.#isExposed = isExposed(settings);
    this.#clock = clock;
  }

  get isPublic(): boolean {
    return this.#isExposed || this.#clock.monotonicMs() < this.#publicUntil;
  }

  /** `isAnyPublic`: whether any live process of the database is public. */
  update(isAnyPublic: boolean): void {
    if (isAnyPublic) this.#publicUntil = this.#clock.monotonicMs() + REMEMBERED_MS;
    else if (this.#publicUntil === Number.POSITIVE_INFINITY) this.#publicUntil = Number.NEGATIVE_INFINITY;
  }
}
