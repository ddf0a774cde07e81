import type { Settings } from '../settings.ts';

/** Whether others than the user of this machine can reach this process, directly or through a proxy. */
export function isExposed({ isPublic, server }: Settings): boolean {
  return isPublic || server.allowedHosts.length > 0 || server.trustProxy.length > 0;
}

/**
 * Whether jobs may come from others than the user of this machine, because some process of the database is public, or was
 * until ten minutes ago. Until the database has been asked they may; while it is away, the last known value holds.
 */
export class Exposure {
  readonly #isExposed: boolean;
  #isAnyPublic = true;

  constructor(settings: Settings) {
    this.#isExposed = isExposed(settings);
  }

  get isPublic(): boolean {
    return this.#isExposed || this.#isAnyPublic;
  }

  /** `isAnyPublic`: as the database says of all processes. */
  update(isAnyPublic: boolean): void {
    this.#isAnyPublic = isAnyPublic;
  }
}
