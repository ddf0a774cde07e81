import type { Logger } from '../core/logger.ts';
import type { TopicPartition } from '../streaming/driver.ts';

/** Why the stream cannot be read, for readiness; said in the log once per change. */
export class StreamProblems {
  readonly #logger: Logger;
  #general: string | null = null;
  /** Partitions that cannot be read before a person has acted. */
  readonly #lost = new Map<string, TopicPartition & { reason: string }>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  get text(): string | null {
    return [...this.#lost.values()][0]?.reason ?? this.#general;
  }

  /** All of them; without a topic the whole stream is meant. */
  list(): Array<{ topic?: string; partition?: number; reason: string }> {
    const lost = [...this.#lost.values()].map(({ topic, partition, reason }) => ({ topic, partition, reason }));
    return this.#general === null ? lost : [...lost, { reason: this.#general }];
  }

  failed(error: unknown, lost?: TopicPartition): void {
    const problem = error instanceof Error ? error.message : String(error);
    if (lost) {
      if (this.#lost.get(keyOf(lost))?.reason === problem) return;
      this.#lost.set(keyOf(lost), { ...lost, reason: problem });
      this.#logger.error({ err: error, ...lost }, 'a partition cannot be read');
      return;
    }
    if (problem !== this.#general) this.#logger.error({ err: error }, 'the stream cannot be read');
    this.#general = problem;
  }

  /** A partition that is read from its beginning is not lost any more; for any other its first records decide. */
  assigned(partitions: readonly TopicPartition[], offsets: ReadonlyArray<number | null>): void {
    this.#general = null;
    partitions.forEach((partition, index) => {
      if (offsets[index] === null) this.#lost.delete(keyOf(partition));
    });
  }

  revoked(partition: TopicPartition): void {
    this.#lost.delete(keyOf(partition));
  }

  delivered(partition: TopicPartition): void {
    this.#general = null;
    this.#lost.delete(keyOf(partition));
  }
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic} ${partition}`;
}
