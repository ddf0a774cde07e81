/** Locations that one job may have in one topic: each is rows that are kept for ever. */
export const MAX_LOCATIONS = 256;

/** How many locations jobs have, as far as that was looked at. */
export class JobLocations {
  readonly #of = new Map<number, number>();

  /** Whether a job, of which `stored` are in the database, may have one more. */
  add(jobId: number, stored: number): boolean {
    const before = Math.max(stored, this.#of.get(jobId) ?? 0);
    if (before >= MAX_LOCATIONS) return false;
    this.#of.set(jobId, before + 1);
    return true;
  }

  clear(): void {
    this.#of.clear();
  }
}
