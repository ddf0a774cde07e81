import type { EmbeddedLog, Fetched, Head, Position } from './log.ts';

interface Fetch {
  position: Position;
  head: Head;
  resolve(fetched: Fetched): void;
  reject(error: unknown): void;
}

/** Queries under way at a time, so that one consumer does not take the whole pool. */
const MAX_QUERIES = 2;
/** Positions of one query. */
const MAX_POSITIONS = 64;

/** Fetches records from several positions by one query: a query costs as much as the records of a quiet partition. */
export class Fetches {
  readonly #log: Pick<EmbeddedLog, 'fetchAll'>;
  #waiting: Fetch[] = [];
  #queries = 0;
  #isPlanned = false;

  constructor(log: Pick<EmbeddedLog, 'fetchAll'>) {
    this.#log = log;
  }

  /** Rejects when the database does not return them. */
  fetch(position: Position, head: Head): Promise<Fetched> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ position, head, resolve, reject });
      this.#plan();
    });
  }

  /** The partitions that a poll found to have records ask in the same turn of the event loop. */
  #plan(): void {
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    setImmediate(() => {
      this.#isPlanned = false;
      while (this.#waiting.length > 0 && this.#queries < MAX_QUERIES) void this.#query();
    });
  }

  async #query(): Promise<void> {
    const fetches = this.#waiting.splice(0, MAX_POSITIONS);
    this.#queries++;
    try {
      const results = await this.#log.fetchAll(fetches);
      for (const [index, { resolve }] of fetches.entries()) resolve(results[index] as Fetched);
    } catch (error) {
      for (const { reject } of fetches) reject(error);
    } finally {
      this.#queries--;
      if (this.#waiting.length > 0) this.#plan();
    }
  }
}
