import type { ConsumerHandler, RecordBatch, TopicPartition } from '../../src/streaming/driver.ts';

export interface Delivered {
  topic: string;
  partition: number;
  offset: number;
  text: string;
}

export interface RecorderOptions {
  /** Answers onAssigned; default: what this recorder has read so far, or the first retained offset. */
  startAt?: (partition: TopicPartition) => number | null;
  onBatch?: (batch: RecordBatch) => Promise<void> | void;
}

/** A handler that writes down what it is told, and checks on the way what a driver must never do. */
export class Recorder implements ConsumerHandler {
  readonly delivered: Delivered[] = [];
  readonly batches: RecordBatch[] = [];
  readonly assigned: TopicPartition[][] = [];
  readonly revoked: TopicPartition[][] = [];
  readonly errors: unknown[] = [];
  /** Broken rules; a test expects none. */
  readonly violations: string[] = [];
  readonly owned = new Set<string>();
  readonly #options: RecorderOptions;
  readonly #next = new Map<string, number>();
  readonly #running = new Set<string>();
  readonly #waiting = new Set<() => void>();

  constructor(options: RecorderOptions = {}) {
    this.#options = options;
  }

  async onAssigned(partitions: readonly TopicPartition[]): Promise<Array<number | null>> {
    this.assigned.push([...partitions]);
    const offsets = partitions.map((partition) =>
      this.#options.startAt ? this.#options.startAt(partition) : (this.#next.get(keyOf(partition)) ?? null),
    );
    await Promise.resolve();
    for (const [index, partition] of partitions.entries()) {
      this.owned.add(keyOf(partition));
      const offset = offsets[index];
      if (offset === null) this.#next.delete(keyOf(partition));
      else this.#next.set(keyOf(partition), offset);
    }
    this.#tell();
    return offsets;
  }

  onRevoked(partitions: readonly TopicPartition[]): void {
    this.revoked.push([...partitions]);
    for (const partition of partitions) this.owned.delete(keyOf(partition));
    this.#tell();
  }

  async onBatch(batch: RecordBatch): Promise<void> {
    const key = keyOf(batch);
    if (this.#running.has(key)) this.violations.push(`two batches of ${key} at a time`);
    if (!this.owned.has(key)) this.violations.push(`a batch of ${key}, which is not assigned`);
    if (batch.records.length === 0) this.violations.push('an empty batch');
    this.#running.add(key);
    let next = this.#next.get(key) ?? 0;
    for (const { offset, value } of batch.records) {
      if (offset < next) this.violations.push(`offset ${offset} of ${key} after ${next - 1}`);
      next = offset + 1;
      this.delivered.push({ topic: batch.topic, partition: batch.partition, offset, text: value.toString() });
    }
    if (batch.highWatermark < next) this.violations.push(`high watermark ${batch.highWatermark} below ${next}`);
    this.batches.push(batch);
    this.#next.set(key, next);
    this.#tell();
    try {
      await this.#options.onBatch?.(batch);
    } finally {
      this.#running.delete(key);
      this.#tell();
    }
  }

  onError(error: unknown): void {
    this.errors.push(error);
    this.#tell();
  }

  texts(partition?: number): string[] {
    return this.delivered
      .filter((one) => partition === undefined || one.partition === partition)
      .map(({ text }) => text);
  }

  /** Resolves as soon as `condition` holds; looked at whenever the driver calls. */
  until(what: string, condition: () => boolean, timeoutMs = 20_000): Promise<void> {
    if (condition()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const check = () => {
        if (!condition()) return;
        clearTimeout(timer);
        this.#waiting.delete(check);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(check);
        const state = `${this.delivered.length} delivered, owns ${[...this.owned].join(' ')}, errors ${this.errors.join(' ')}`;
        reject(new Error(`Not within ${timeoutMs} ms: ${what} (${state})`));
      }, timeoutMs);
      this.#waiting.add(check);
    });
  }

  #tell(): void {
    for (const check of [...this.#waiting]) check();
  }
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}
