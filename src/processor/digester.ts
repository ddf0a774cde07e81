import type { Clock } from '../core/clock.ts';
import { retry } from '../core/retry.ts';
import { type BadLine, ResultDecoder } from '../messages/decode.ts';
import type { Database } from '../storage/database.ts';
import type { DeadLetter } from '../storage/processor-dead-letters.ts';
import { readSeries } from '../storage/processor-series.ts';
import type { StreamRecord } from '../streaming/driver.ts';
import type { Outage } from './outage.ts';
import type { AssignedPartition, Decoded } from './partition.ts';

export interface DigesterOptions {
  database: Database;
  clock: Clock;
  outage: Outage;
  /** Ends every wait for a database that is away. */
  signal: AbortSignal;
}

/** Decodes records and counts them, after reading how far their series have been counted. */
export class Digester {
  readonly #options: DigesterOptions;
  /** Shared by all partitions: between decoding and counting nothing is awaited. */
  readonly #decoder = new ResultDecoder();

  constructor(options: DigesterOptions) {
    this.#options = options;
  }

  /**
   * Counts the records, or stops when the assignment ends meanwhile. `makeRoom` is called in between when they say more
   * than can be held.
   */
  async digest(
    owned: AssignedPartition,
    records: readonly StreamRecord[],
    makeRoom: () => Promise<void>,
  ): Promise<void> {
    owned.begun = records[records.length - 1].offset + 1;
    for (let from = 0; !owned.dropped; ) {
      const decoded = this.#decode(owned, records);
      if (!owned.resolve(decoded)) {
        await this.#load(owned);
        continue;
      }
      from = owned.count(decoded, from);
      if (from === decoded.columns.length) return;
      await makeRoom();
    }
  }

  #decode({ topic, partition }: AssignedPartition, records: readonly StreamRecord[]): Decoded {
    const deadLetters: DeadLetter[] = [];
    const ends: number[] = [];
    this.#decoder.reset();
    for (const { value, offset } of records) {
      this.#decoder.decodeRecord(value, ({ line, start, end, error }: BadLine) => {
        // Copied: what is kept must not hold the memory of a whole fetch.
        const bytes = Buffer.from(value.subarray(start, end));
        deadLetters.push({ topic, partition, offset, line, bytes, error });
      });
      ends.push(this.#decoder.columns.length);
    }
    return { columns: this.#decoder.columns, records, ends, deadLetters };
  }

  async #load(owned: AssignedPartition): Promise<void> {
    const { database, clock, signal, outage } = this.#options;
    const keys = owned.progress.missing();
    const states = await retry(() => readSeries(database, owned.topic, keys), {
      clock,
      signal,
      onTransition: (state) => (state.failing ? outage.failed(state.error) : outage.ended()),
    });
    owned.progress.load(states);
  }
}
