import { type Clock, sleep, systemClock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import type { ConsumerHandler, RecordBatch, StreamRecord, TopicPartition } from './driver.ts';
import { keyOf, type LogBounds, OffsetCheck, type ReadPosition } from './offset-check.ts';
import { UnpackMemory } from './unpack-memory.ts';

/**
 * `asking`: the handler is asked for the offset; `known`: the offset is known, reading has to begin there; `active`: being
 * read; `lost`: the log does not hold the offset, a person must act, asked again from time to time.
 */
type PartitionState = 'asking' | 'known' | 'active' | 'lost';

/** Records that are only unpacked when they are handed over: until then they take a fraction of the memory. */
export interface PackedRecords {
  lastOffset: number;
  /** As they wait. */
  bytes: number;
  /** The values may lie in `memory`. */
  unpack(memory: UnpackMemory): StreamRecord[];
}

/** One ownership of a partition, from its assignment until it is revoked, reset or lost. */
export interface OwnedPartition extends ReadPosition {
  state: PartitionState;
  /** Read and not handed over yet, with their size. */
  waiting: StreamRecord[];
  /** Those behind `waiting`; only records from `from` on are wanted. */
  packed: Array<{ records: PackedRecords; from: number }>;
  waitingBytes: number;
  highWatermark: number;
  /** Runs while records wait. */
  delivery: Promise<void> | null;
}

export interface PartitionBookOptions {
  handler: ConsumerHandler;
  logger: Logger;
  clock?: Clock;
  log: LogBounds;
  /** Partitions have become `known`: the driver makes them `active`. */
  onKnown(partitions: readonly OwnedPartition[]): void;
  /** Nothing of the partition is waiting any more: the driver goes on reading if it had paused. */
  onDrained?(partition: OwnedPartition): void;
  /**
   * The handler did not say where to begin. A driver that can give single partitions up does so, for at least `pauseMs`.
   * Absent: the handler is asked again after `pauseMs`.
   */
  onRefused?(partitions: readonly OwnedPartition[], pauseMs: number): void;
}

/** Of one partition, waiting for the handler: with more than that the driver pauses it. */
export const MAX_WAITING_BYTES = 2 * 2 ** 20;
/** Packed records that are handed over together; unpacked they are often five times as much. */
const UNPACK_BYTES = 128 * 1024;
/** Memory of a record beside its value. */
const RECORD_BYTES = 128;
const FIRST_PAUSE_MS = 250;
const MAX_PAUSE_MS = 5_000;
const LOST_AGAIN_MS = 30_000;
const VERIFY_EVERY_MS = 60_000;

/**
 * The partitions that a member of a consumer group owns, in every driver. It asks the handler for offsets, makes sure
 * that the log holds them, and hands batches over, one at a time per partition, even across a partition that went and
 * came back.
 */
export class PartitionBook {
  readonly #options: PartitionBookOptions;
  readonly #clock: Clock;
  readonly #check: OffsetCheck;
  readonly #owned = new Map<string, OwnedPartition>();
  /** Calls of onBatch under way, also of partitions that are gone meanwhile. */
  readonly #running = new Map<string, Promise<void>>();
  readonly #closing = new AbortController();
  /** Not in use now. */
  readonly #memories: UnpackMemory[] = [];
  #failures = 0;

  constructor(options: PartitionBookOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#check = new OffsetCheck(options.log);
    void this.#verifyForEver();
  }

  get(topic: string, partition: number): OwnedPartition | undefined {
    return this.#owned.get(keyOf({ topic, partition }));
  }

  all(): OwnedPartition[] {
    return [...this.#owned.values()];
  }

  /** Whether this very ownership still holds. */
  owns(partition: OwnedPartition): boolean {
    return this.#owned.get(keyOf(partition)) === partition;
  }

  /** Takes partitions over and asks the handler, in the background, where to begin. */
  assign(partitions: readonly TopicPartition[]): void {
    const taken = partitions.map((partition) => create(partition, 'asking', null));
    for (const owned of taken) this.#owned.set(keyOf(owned), owned);
    if (taken.length > 0) void this.#ask(taken, 0);
  }

  /** Forgets these ownerships at once. */
  revoke(partitions: readonly OwnedPartition[]): void {
    const gone = partitions.filter((partition) => this.owns(partition));
    for (const partition of gone) this.#owned.delete(keyOf(partition));
    if (gone.length > 0) this.#options.handler.onRevoked(gone.map(({ topic, partition }) => ({ topic, partition })));
  }

  revokeAll(): void {
    this.revoke(this.all());
  }

  /** Begins a new ownership of those that are still owned: everything under way belongs to the old one and is dropped. */
  reset(partitions: readonly TopicPartition[]): void {
    if (this.#closing.signal.aborted) return;
    this.assign(partitions.filter((partition) => this.#owned.has(keyOf(partition))));
  }

  /** Nothing of the partition is delivered until the handler names an offset that the log holds. */
  lose(partition: OwnedPartition, error: unknown): void {
    if (!this.owns(partition) || partition.state === 'lost') return;
    const { topic, partition: number, next } = partition;
    const lost = create({ topic, partition: number }, 'lost', next);
    this.#owned.set(keyOf(lost), lost);
    this.#options.handler.onError(error, { topic, partition: number });
    void this.#ask([lost], LOST_AGAIN_MS);
  }

  /** Compares the positions with what the log holds. Returns false when the log could not be asked. */
  async verify(partitions: readonly OwnedPartition[]): Promise<boolean> {
    try {
      const lost = await this.#check.findLost(partitions);
      for (const [partition, error] of lost) this.lose(partition, error);
      return true;
    } catch (error) {
      this.#options.logger.debug({ err: error }, 'offsets could not be compared with the log');
      return false;
    }
  }

  /**
   * Whether the topic still is the one that the partition is read from; if so, everything fetched before the call belongs
   * to it. Rejects when the log cannot be asked.
   */
  async isSameTopic(partition: OwnedPartition): Promise<boolean> {
    const replaced = await this.#check.findReplacement(partition);
    if (replaced) this.lose(partition, replaced);
    return !replaced && this.owns(partition);
  }

  /**
   * Takes records of an active partition: those before the wanted offset are dropped, the others handed over in turn.
   * Resolves when the handler has had everything that waits.
   */
  push(partition: OwnedPartition, records: readonly StreamRecord[], highWatermark: number): Promise<void> {
    for (const record of records) {
      if (record.offset < partition.next) continue;
      partition.next = record.offset + 1;
      partition.isFresh = false;
      partition.waiting.push(record);
      partition.waitingBytes += record.value.length + RECORD_BYTES;
    }
    return this.#wake(partition, highWatermark);
  }

  /** Like `push`. A partition of which something cannot be unpacked is lost. */
  pushPacked(partition: OwnedPartition, packed: readonly PackedRecords[], highWatermark: number): Promise<void> {
    for (const records of packed) {
      if (records.lastOffset < partition.next) continue;
      partition.packed.push({ records, from: partition.next });
      partition.next = records.lastOffset + 1;
      partition.isFresh = false;
      partition.waitingBytes += records.bytes + RECORD_BYTES;
    }
    return this.#wake(partition, highWatermark);
  }

  #wake(partition: OwnedPartition, highWatermark: number): Promise<void> {
    partition.highWatermark = Math.max(highWatermark, partition.next);
    if (isWaiting(partition)) partition.delivery ??= this.#deliver(partition);
    return partition.delivery ?? Promise.resolve();
  }

  /** Resolves when the handler has nothing of these in hand, of no ownership. */
  async settled(partitions: readonly TopicPartition[]): Promise<void> {
    await Promise.all(partitions.map((partition) => this.#running.get(keyOf(partition))));
  }

  /** Resolves when the handler has nothing in hand any more; nothing new is handed over. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#running.values());
  }

  /** Without it, a topic that was replaced by one with more records than were read would give no error. */
  async #verifyForEver(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      await sleep(this.#clock, VERIFY_EVERY_MS, signal);
      if (!signal.aborted) await this.verify(this.all().filter(({ state }) => state === 'active'));
    }
  }

  async #deliver(owned: OwnedPartition): Promise<void> {
    const { topic, partition } = owned;
    const key = keyOf(owned);
    // A batch of an earlier ownership may still be in the handler's hands.
    await this.#running.get(key);
    while (isWaiting(owned) && this.owns(owned) && !this.#closing.signal.aborted) {
      const memory = this.#memories.pop() ?? new UnpackMemory();
      const records = this.#take(owned, memory);
      if (!isWaiting(owned)) this.#options.onDrained?.(owned);
      if (records.length === 0) continue;
      const batch = { topic, partition, records, highWatermark: owned.highWatermark };
      const done = this.#handOver(owned, batch);
      this.#running.set(key, done);
      await done;
      if (this.#running.get(key) === done) this.#running.delete(key);
      if (!this.#options.handler.releasesRecords) continue;
      memory.clear();
      this.#memories.push(memory);
    }
    // In the same turn as the last check of `waiting`, so that the next push finds either a delivery that goes on or none.
    owned.delivery = null;
  }

  /** All that waits, or of packed records as many as are unpacked at a time; none when those cannot be unpacked. */
  #take(owned: OwnedPartition, memory: UnpackMemory): StreamRecord[] {
    const taken = owned.waiting;
    owned.waiting = [];
    let bytes = 0;
    try {
      for (let next = owned.packed[0]; next && bytes < UNPACK_BYTES; next = owned.packed[0]) {
        const { records, from } = next;
        for (const record of records.unpack(memory)) if (record.offset >= from) taken.push(record);
        owned.packed.shift();
        bytes += records.bytes;
        owned.waitingBytes -= records.bytes + RECORD_BYTES;
      }
      if (owned.packed.length === 0) owned.waitingBytes = 0;
      return taken;
    } catch (error) {
      this.lose(owned, error);
      return [];
    }
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
    const { handler } = this.#options;
    await sleep(this.#clock, delayMs, this.#closing.signal);
    const wanted = partitions.filter((partition) => this.owns(partition));
    if (wanted.length === 0 || this.#closing.signal.aborted) return;
    for (const partition of wanted) partition.state = 'asking';
    try {
      const offsets = await handler.onAssigned(wanted.map(({ topic, partition }) => ({ topic, partition })));
      for (const [index, partition] of wanted.entries()) {
        const offset = offsets[index] ?? null;
        partition.next = offset ?? 0;
        partition.isFresh = offset === null;
      }
      const lost = await this.#check.findLost(wanted);
      this.#failures = 0;
      // A newer rebalance may have taken or given some of them again meanwhile.
      const current = wanted.filter((partition) => this.owns(partition));
      for (const partition of current) {
        const error = lost.get(partition);
        if (error) this.lose(partition, error);
        else partition.state = 'known';
      }
      this.#options.onKnown(current.filter(({ state }) => state === 'known'));
    } catch (error) {
      if (isCode(error, 'VED_OFFSET_LOST')) this.#loseTopic(wanted, error);
      else this.#askLater(wanted, error);
    }
  }

  #askLater(partitions: readonly OwnedPartition[], error: unknown): void {
    const { handler, logger, onRefused } = this.#options;
    if (isCode(error, 'VED_TOPIC_MISSING')) handler.onError(error);
    logger.warn(
      { err: error, partitions: partitions.length },
      'assigned partitions could not be taken over, trying again',
    );
    const pauseMs = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#failures++);
    const current = partitions.filter((partition) => this.owns(partition));
    if (onRefused) onRefused(current, pauseMs);
    else void this.#ask(current, pauseMs);
  }

  /** The handler does not go on with these. When they are of several topics, it is asked for each topic alone. */
  #loseTopic(partitions: readonly OwnedPartition[], error: unknown): void {
    const topics = new Set(partitions.map(({ topic }) => topic));
    for (const name of topics) {
      const those = partitions.filter(({ topic }) => topic === name);
      if (topics.size > 1) void this.#ask(those, 0);
      else for (const partition of those) this.lose(partition, error);
    }
  }
}

function isWaiting({ waiting, packed }: OwnedPartition): boolean {
  return waiting.length > 0 || packed.length > 0;
}

function isCode(error: unknown, code: string): boolean {
  return (error as { code?: unknown } | null)?.code === code;
}

function create({ topic, partition }: TopicPartition, state: PartitionState, next: number | null): OwnedPartition {
  const begin = { next: next ?? 0, isFresh: next === null, logEnd: null, highWatermark: next ?? 0 };
  return { topic, partition, state, ...begin, waiting: [], packed: [], waitingBytes: 0, delivery: null };
}
