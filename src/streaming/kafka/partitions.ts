import { sleep, systemClock } from '../../core/clock.ts';
import type { Logger } from '../../core/logger.ts';
import type { ConsumerHandler, RecordBatch, StreamRecord, TopicPartition } from '../driver.ts';
import { offsetLost, topicReplaced } from '../offset-lost.ts';
import type { KafkaAdmin } from './index.ts';

/**
 * `asking`: the handler is asked for the offset; `known`: it has answered, reading has to begin there; `active`: being
 * read; `lost`: the log does not hold the offset, a person must act, asked again from time to time.
 */
export type PartitionState = 'asking' | 'known' | 'active' | 'lost';

export interface OwnedPartition extends TopicPartition {
  state: PartitionState;
  /** The offset of the next record wanted; meaningful once the state is not `asking`. */
  next: number;
  /** Begins at the first retained record, whichever that is by then. */
  isFresh: boolean;
  /** Read and not handed over yet, with their size. */
  waiting: StreamRecord[];
  waitingBytes: number;
  highWatermark: number;
  isDelivering: boolean;
}

interface BookOptions {
  handler: ConsumerHandler;
  logger: Logger;
  admin: Pick<KafkaAdmin, 'ranges' | 'identity'>;
  /** Partitions have become `known`: the driver makes them `active`. */
  onKnown(partitions: readonly OwnedPartition[]): void;
  /** Nothing of the partition is waiting any more: the driver goes on reading if it had paused. */
  onDrained?(partition: OwnedPartition): void;
}

/** Of one partition, waiting for the handler: with more than that the driver pauses it. */
export const MAX_WAITING_BYTES = 2 * 2 ** 20;
/** What a record takes beside its value. */
const RECORD_BYTES = 128;
const ASK_AGAIN_MS = 1_000;
const LOST_AGAIN_MS = 30_000;
const VERIFY_EVERY_MS = 60_000;

/**
 * What a member of a consumer group owns, whichever client library it speaks through. It asks the handler for offsets,
 * makes sure the log still holds them, and hands batches over, one at a time per partition, even across a partition that
 * went and came back.
 */
export class PartitionBook {
  readonly #options: BookOptions;
  readonly #owned = new Map<string, OwnedPartition>();
  /** Deliveries under way, also of partitions that are gone meanwhile. */
  readonly #running = new Map<string, Promise<void>>();
  /** Per partition, which topic of that name it was read from. */
  readonly #identities = new Map<string, string>();
  readonly #closing = new AbortController();

  constructor(options: BookOptions) {
    this.#options = options;
    void this.#verifyForEver();
  }

  get(topic: string, partition: number): OwnedPartition | undefined {
    return this.#owned.get(keyOf(topic, partition));
  }

  all(): OwnedPartition[] {
    return [...this.#owned.values()];
  }

  /** Whether this very stretch of ownership still holds. */
  owns(partition: OwnedPartition): boolean {
    return this.#owned.get(keyOf(partition.topic, partition.partition)) === partition;
  }

  /** Takes partitions over and asks the handler, in the background, where to begin. */
  assign(partitions: readonly TopicPartition[]): void {
    const taken = partitions.map(({ topic, partition }) => create(topic, partition, 'asking', null));
    for (const owned of taken) this.#owned.set(keyOf(owned.topic, owned.partition), owned);
    if (taken.length > 0) void this.#ask(taken, 0);
  }

  /** Forgets all partitions at once. */
  revokeAll(): void {
    const gone = this.all().map(({ topic, partition }) => ({ topic, partition }));
    this.#owned.clear();
    if (gone.length > 0) this.#options.handler.onRevoked(gone);
  }

  /** What is still owned of these begins anew: whatever is under way for it is of an older stretch of ownership. */
  reset(partitions: readonly TopicPartition[]): void {
    this.assign(partitions.filter(({ topic, partition }) => this.#owned.has(keyOf(topic, partition))));
  }

  /** Compares what is read with what the log holds. Answers false when nothing could be learnt. */
  async verify(partitions: readonly OwnedPartition[]): Promise<boolean> {
    try {
      const lost = await this.#findLost(partitions);
      for (const [partition, error] of lost) this.#lose(partition, error);
      return true;
    } catch (error) {
      this.#options.logger.debug({ err: error }, 'offsets could not be compared with the log');
      return false;
    }
  }

  /**
   * Whether the topic still is the one that the partition is read from: what was fetched before the question is of that
   * one then. Rejects when nobody answers.
   */
  async isSameTopic(partition: OwnedPartition): Promise<boolean> {
    const identity = await this.#options.admin.identity(partition.topic);
    const replaced = this.#replacement(partition, partition.next, identity);
    if (replaced) this.#lose(partition, replaced);
    return !replaced && this.owns(partition);
  }

  /** Takes records of an active partition: those before the wanted offset are dropped, the others handed over in turn. */
  push(partition: OwnedPartition, records: readonly StreamRecord[], highWatermark: number): void {
    for (const record of records) {
      if (record.offset < partition.next) continue;
      partition.next = record.offset + 1;
      partition.isFresh = false;
      partition.waiting.push(record);
      partition.waitingBytes += record.value.length + RECORD_BYTES;
    }
    partition.highWatermark = Math.max(highWatermark, partition.next);
    if (!partition.isDelivering && partition.waiting.length > 0) void this.#deliver(partition);
  }

  /** Resolves when the handler has nothing in hand any more; nothing new is handed over. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#running.values());
  }

  /** A topic that was replaced while nobody looked, with more records than were read, gives no error by itself. */
  async #verifyForEver(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      await sleep(systemClock, VERIFY_EVERY_MS, signal);
      if (!signal.aborted) await this.verify(this.all().filter(({ state }) => state === 'active'));
    }
  }

  async #deliver(owned: OwnedPartition): Promise<void> {
    const { topic, partition } = owned;
    const key = keyOf(topic, partition);
    owned.isDelivering = true;
    // A batch of an older stretch of ownership may still be in the handler's hands.
    await this.#running.get(key);
    while (owned.waiting.length > 0 && this.owns(owned) && !this.#closing.signal.aborted) {
      const batch = { topic, partition, records: owned.waiting, highWatermark: owned.highWatermark };
      owned.waiting = [];
      owned.waitingBytes = 0;
      this.#options.onDrained?.(owned);
      const done = this.#handOver(owned, batch);
      this.#running.set(key, done);
      await done;
      if (this.#running.get(key) === done) this.#running.delete(key);
    }
    owned.isDelivering = false;
  }

  async #handOver(owned: OwnedPartition, batch: RecordBatch): Promise<void> {
    try {
      await this.#options.handler.onBatch(batch);
    } catch (error) {
      // The contract says it does not reject; a defect must still neither stop the partition nor skip records.
      this.#options.logger.error(
        { err: error, topic: batch.topic, partition: batch.partition },
        'batch handler failed',
      );
      if (this.owns(owned)) this.reset([owned]);
    }
  }

  async #ask(partitions: readonly OwnedPartition[], delayMs: number): Promise<void> {
    const { handler, logger } = this.#options;
    await sleep(systemClock, delayMs, this.#closing.signal);
    const wanted = partitions.filter((partition) => this.owns(partition));
    if (wanted.length === 0 || this.#closing.signal.aborted) return;
    for (const partition of wanted) partition.state = 'asking';
    try {
      const offsets = await handler.onAssigned(wanted.map(({ topic, partition }) => ({ topic, partition })));
      wanted.forEach((partition, index) => {
        partition.next = offsets[index] ?? 0;
        partition.isFresh = (offsets[index] ?? null) === null;
      });
      const lost = await this.#findLost(wanted);
      // A newer rebalance may have come meanwhile: what it took or gave again is not ours to start.
      const current = wanted.filter((partition) => this.owns(partition));
      for (const partition of current) {
        const error = lost.get(partition);
        if (error) this.#lose(partition, error);
        else partition.state = 'known';
      }
      this.#options.onKnown(current.filter(({ state }) => state === 'known'));
    } catch (error) {
      if (isCode(error, 'VED_OFFSET_LOST')) return this.#loseTopic(wanted, error);
      if (isCode(error, 'VED_TOPIC_MISSING')) handler.onError(error);
      logger.warn(
        { err: error, partitions: wanted.length },
        'assigned partitions could not be taken over, trying again',
      );
      void this.#ask(wanted, ASK_AGAIN_MS);
    }
  }

  /** The handler does not go on with these. When they are of several topics, it is asked which one it means. */
  #loseTopic(partitions: readonly OwnedPartition[], error: unknown): void {
    const topics = new Set(partitions.map(({ topic }) => topic));
    for (const name of topics) {
      const those = partitions.filter(({ topic }) => topic === name);
      if (topics.size > 1) void this.#ask(those, 0);
      else for (const partition of those) this.#lose(partition, error);
    }
  }

  #lose(partition: OwnedPartition, error: unknown): void {
    if (!this.owns(partition) || partition.state === 'lost') return;
    const { topic, partition: number } = partition;
    // A new stretch of ownership, so that what is under way for the old one is dropped.
    const lost = create(topic, number, 'lost', partition.next);
    this.#owned.set(keyOf(topic, number), lost);
    this.#options.handler.onError(error, { topic, partition: number });
    void this.#ask([lost], LOST_AGAIN_MS);
  }

  async #findLost(partitions: readonly OwnedPartition[]): Promise<Map<OwnedPartition, unknown>> {
    const { admin } = this.#options;
    const lost = new Map<OwnedPartition, unknown>();
    // Reading goes on while the log is asked: where it comes to meanwhile may lie behind the end that is answered.
    const askedAt = new Map(partitions.map((partition) => [partition, partition.next]));
    for (const topic of new Set(partitions.map((partition) => partition.topic))) {
      const identity = await admin.identity(topic);
      const ranges = new Map((await admin.ranges(topic)).map((range) => [range.partition, range]));
      for (const owned of partitions) {
        const range = ranges.get(owned.partition);
        if (owned.topic !== topic || !range) continue;
        const { partition } = owned;
        const next = owned.isFresh ? range.low : (askedAt.get(owned) as number);
        if (owned.isFresh) owned.next = next;
        const replaced = this.#replacement(owned, next, identity);
        if (replaced) lost.set(owned, replaced);
        else if (next < range.low || next > range.high) {
          lost.set(owned, offsetLost(topic, partition, next, range.low, range.high));
        }
      }
    }
    return lost;
  }

  /** Says when the topic is not the one in which this consumer read the partition so far. */
  #replacement(
    { topic, partition, isFresh }: OwnedPartition,
    next: number,
    identity: string | null,
  ): Error | undefined {
    if (identity === null) return undefined;
    const key = keyOf(topic, partition);
    const before = this.#identities.get(key);
    if (before !== undefined && before !== identity && !isFresh && next > 0) {
      return topicReplaced(topic, before, identity);
    }
    this.#identities.set(key, identity);
    return undefined;
  }
}

function isCode(error: unknown, code: string): boolean {
  return (error as { code?: unknown } | null)?.code === code;
}

function create(topic: string, partition: number, state: PartitionState, next: number | null): OwnedPartition {
  const begin = { next: next ?? 0, isFresh: next === null, highWatermark: next ?? 0 };
  return { topic, partition, state, ...begin, waiting: [], waitingBytes: 0, isDelivering: false };
}

export function keyOf(topic: string, partition: number): string {
  return `${partition}/${topic}`;
}
