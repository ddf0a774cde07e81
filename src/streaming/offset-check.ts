import type { StreamDriver, TopicPartition } from './driver.ts';
import { offsetLost, topicReplaced } from './offset-lost.ts';

/** The part of a driver that knows which offsets the log holds. */
export type LogBounds = Pick<StreamDriver, 'ranges' | 'identity'>;

/** Where a partition is read. */
export interface ReadPosition extends TopicPartition {
  /** The offset of the next record wanted. */
  next: number;
  /** Begins at the first record that is retained when it is read. */
  isFresh: boolean;
  /** The end of the log when it was last asked for; null before. */
  logEnd: number | null;
}

/** Compares what a consumer reads with what the log holds: its range of offsets and the identity of its topic. */
export class OffsetCheck {
  readonly #log: LogBounds;
  /** Per partition, the identity of the topic it was read from. */
  readonly #identities = new Map<string, string>();

  constructor(log: LogBounds) {
    this.#log = log;
  }

  /**
   * The partitions that cannot be read on, each with its VED_OFFSET_LOST. Fresh ones are moved to the first retained
   * offset. Rejects when the log cannot be asked.
   */
  async findLost<Position extends ReadPosition>(partitions: readonly Position[]): Promise<Map<Position, unknown>> {
    const lost = new Map<Position, unknown>();
    // Reading goes on while the log is asked, and may pass the end that the log states.
    const askedAt = new Map(partitions.map((partition) => [partition, partition.next]));
    for (const topic of new Set(partitions.map((partition) => partition.topic))) {
      const identity = await this.#identity(topic);
      const ranges = new Map((await this.#log.ranges(topic)).map((range) => [range.partition, range]));
      for (const [position, nextThen] of askedAt) {
        const range = ranges.get(position.partition);
        if (position.topic !== topic || !range) continue;
        position.logEnd = range.high;
        const next = position.isFresh ? range.low : nextThen;
        if (position.isFresh) position.next = next;
        const replaced = this.#replacement(position, next, identity);
        if (replaced) lost.set(position, replaced);
        else if (next < range.low || next > range.high) {
          lost.set(position, offsetLost(topic, position.partition, next, range.low, range.high));
        }
      }
    }
    return lost;
  }

  /** The VED_OFFSET_LOST of a partition whose topic was deleted and made again. Rejects when the log cannot be asked. */
  async findReplacement(position: ReadPosition): Promise<unknown> {
    return this.#replacement(position, position.next, await this.#identity(position.topic));
  }

  async #identity(topic: string): Promise<string | null> {
    return (await this.#log.identity?.(topic)) ?? null;
  }

  #replacement({ topic, partition, isFresh }: ReadPosition, next: number, identity: string | null): unknown {
    if (identity === null) return undefined;
    const key = keyOf({ topic, partition });
    const before = this.#identities.get(key);
    if (before !== undefined && before !== identity && !isFresh && next > 0) {
      return topicReplaced(topic, before, identity);
    }
    this.#identities.set(key, identity);
    return undefined;
  }
}

export function keyOf({ topic, partition }: TopicPartition): string {
  return `${partition}/${topic}`;
}
