/** A connection that is open between two checks. */
export interface Waiting {
  close(): void;
}

/** How many connections wait for their next check: each holds a file descriptor, which checks under way need, too. */
export const MAX_WAITING = 10_000;

/** The connections that wait. One too many closes the one that has waited longest; its job connects again. */
export class WaitingConnections {
  limit: number;
  /** In the order in which they began to wait. */
  readonly #waiting = new Set<Waiting>();

  constructor(limit = MAX_WAITING) {
    this.limit = limit;
  }

  get size(): number {
    return this.#waiting.size;
  }

  add(connection: Waiting): void {
    this.#waiting.add(connection);
    if (this.#waiting.size <= this.limit) return;
    for (const longest of this.#waiting) {
      this.delete(longest);
      longest.close();
      return;
    }
  }

  /** It is in use again, or closed. */
  delete(connection: Waiting): void {
    this.#waiting.delete(connection);
  }
}

/** Those of this thread. */
export const sharedWaiting = new WaitingConnections();
