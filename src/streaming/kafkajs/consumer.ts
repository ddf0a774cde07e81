import type { Consumer, ConsumerGroupJoinEvent, EachBatchPayload } from 'kafkajs';
import { sleep, systemClock } from '../../core/clock.ts';
import type { ConsumerOptions, StreamConsumer, TopicPartition } from '../driver.ts';
import { awaitDisconnect } from '../kafka/disconnect.ts';
import { streamUnavailable, topicMissing } from '../kafka/errors.ts';
import type { KafkaAdmin, Startable } from '../kafka/index.ts';
import type { KafkaOptions } from '../kafka/options.ts';
import { type OwnedPartition, PartitionBook } from '../partition-book.ts';
import { errorType, messageOf } from './admin.ts';
import { createAssigner, type KafkaJs } from './client.ts';
import { createConsumer } from './cluster.ts';
import type { PackedMessage } from './packed-fetch.ts';

/** Also how long a partition that was paused may have to wait for the fetch under way without it. */
const FETCH_WAIT_MS = 100;
/** A fetch has memory several times its size until it is taken apart. */
const MAX_BYTES = 2 * 2 ** 20;
const MAX_PARTITION_BYTES = 2 ** 20;
/** Of one partition, packed: with more than that it is paused. */
const MAX_WAITING_BYTES = 512 * 1024;
const RESTART_MS = 1_000;
const LONG_PAUSE_MS = 1_000;

/**
 * kafkajs does not wait for listeners, so that fetching could begin before the offsets are known. Therefore every assigned
 * partition is paused in the listener of the join, which runs before the first fetch; once the offset is known, the
 * partition is sought and resumed. A batch that does not begin where the last one ended is dropped, and sought again.
 */
export class KafkajsConsumer implements Startable<StreamConsumer> {
  readonly #kafkajs: KafkaJs;
  readonly #options: KafkaOptions;
  readonly #consumer: ConsumerOptions;
  readonly #book: PartitionBook;
  readonly #closing = new AbortController();
  #current: Consumer | undefined;
  #restart: Promise<void> | undefined;
  readonly #pausedAt = new WeakMap<OwnedPartition, number>();
  /** Time of the last answered fetch, and of the last question for each topic's id: its answer covers older fetches. */
  #fetchedMs = 0;
  readonly #identifiedMs = new Map<string, number>();
  /** In a row; a single one, such as a coordinator that has just moved, heals within a second. */
  #crashes = 0;
  #isCommitting = false;

  constructor(kafkajs: KafkaJs, options: KafkaOptions, admin: KafkaAdmin, consumer: ConsumerOptions) {
    this.#kafkajs = kafkajs;
    this.#options = options;
    this.#consumer = consumer;
    this.#book = new PartitionBook({
      handler: consumer.handler,
      logger: options.logger,
      log: admin,
      onKnown: (partitions) => this.#begin(partitions),
      onDrained: (partition) => void this.#resume(partition),
    });
  }

  async start(): Promise<void> {
    await this.#launch();
  }

  reset(partitions: readonly TopicPartition[]): void {
    this.#pause(partitions);
    this.#book.reset(partitions);
  }

  reportCommitted(positions: ReadonlyArray<TopicPartition & { offset: number }>): void {
    const owned = positions.filter(({ topic, partition }) => this.#book.get(topic, partition)?.state === 'active');
    if (this.#isCommitting || !this.#current || owned.length === 0) return;
    this.#isCommitting = true;
    this.#current
      .commitOffsets(owned.map(({ topic, partition, offset }) => ({ topic, partition, offset: String(offset) })))
      .catch((error: unknown) => this.#options.logger.debug({ err: error }, 'committed offsets were not reported'))
      .finally(() => {
        this.#isCommitting = false;
      });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#restart;
    await this.#book.close();
    const consumer = this.#current;
    this.#current = undefined;
    await awaitDisconnect(consumer?.disconnect(), this.#options.logger);
    this.#book.revokeAll();
  }

  async #launch(): Promise<void> {
    const consumer = createConsumer(this.#kafkajs, this.#options, {
      groupId: this.#consumer.group,
      sessionTimeout: this.#options.sessionTimeoutMs,
      heartbeatInterval: this.#options.heartbeatMs,
      rebalanceTimeout: this.#options.rebalanceTimeoutMs,
      metadataMaxAge: this.#options.metadataMaxAgeMs,
      maxWaitTimeInMs: FETCH_WAIT_MS,
      maxBytes: MAX_BYTES,
      maxBytesPerPartition: MAX_PARTITION_BYTES,
      allowAutoTopicCreation: false,
      partitionAssigners: [createAssigner(this.#kafkajs)],
      // Its own restart would keep state of the old membership; a new consumer begins clean.
      retry: { initialRetryTime: 100, maxRetryTime: 2_000, retries: 8, restartOnFailure: async () => false },
    });
    this.#listen(consumer);
    try {
      await consumer.connect();
      for (const topic of this.#consumer.topics) {
        await consumer.subscribe({ topic, fromBeginning: true }).catch((error: unknown) => {
          if (errorType(error) === 'UNKNOWN_TOPIC_OR_PARTITION') throw topicMissing(topic, 'on the broker', error);
          throw error;
        });
      }
      this.#current = consumer;
      await consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        eachBatch: (payload) => this.#eachBatch(payload),
      });
    } catch (error) {
      this.#current = undefined;
      void consumer.disconnect().catch(() => undefined);
      if (error instanceof Error && 'statusCode' in error) throw error;
      throw streamUnavailable(this.#options, messageOf(error), error);
    }
  }

  #listen(consumer: Consumer): void {
    const { GROUP_JOIN, REBALANCING, CRASH, FETCH, START_BATCH_PROCESS } = consumer.events;
    consumer.on(FETCH, () => {
      this.#fetchedMs = performance.now();
    });
    consumer.on(GROUP_JOIN, (event) => this.#joined(event));
    consumer.on(REBALANCING, () => this.#book.revokeAll());
    // Batches of nothing but the marks of foreign transactions are skipped by kafkajs without a call.
    consumer.on(START_BATCH_PROCESS, ({ payload }) => {
      const owned = this.#book.get(payload.topic, payload.partition);
      const { batchSize, lastOffset } = payload as { batchSize: number; lastOffset: string };
      if (batchSize === 0 && owned?.state === 'active' && Number(lastOffset) >= owned.next) {
        owned.next = Number(lastOffset) + 1;
      }
    });
    consumer.on(CRASH, ({ payload }) => {
      if (this.#current !== consumer || this.#closing.signal.aborted) return;
      this.#book.revokeAll();
      this.#current = undefined;
      const { error } = payload;
      if (errorType(error) === 'UNKNOWN_TOPIC_OR_PARTITION') {
        const topics = this.#consumer.topics.join(', ');
        this.#consumer.handler.onError(topicMissing(topics, 'on the broker any more', error));
      } else if (++this.#crashes > 1) {
        this.#consumer.handler.onError(streamUnavailable(this.#options, messageOf(error), error));
      }
      this.#restart ??= this.#relaunch().finally(() => {
        this.#restart = undefined;
      });
    });
  }

  async #relaunch(): Promise<void> {
    const { signal } = this.#closing;
    for (let attempt = 0; !signal.aborted; attempt++) {
      await sleep(systemClock, RESTART_MS * (1 + Math.min(attempt, 4)), signal);
      if (signal.aborted) break;
      try {
        await this.#launch();
        // It may have crashed again while it was joining.
        if (this.#current) return;
      } catch (error) {
        this.#consumer.handler.onError(error);
      }
    }
  }

  #joined({ payload }: ConsumerGroupJoinEvent): void {
    this.#crashes = 0;
    this.#book.revokeAll();
    const partitions = Object.entries(payload.memberAssignment).flatMap(([topic, numbers]) =>
      numbers.map((partition) => ({ topic, partition })),
    );
    this.#pause(partitions);
    this.#book.assign(partitions);
  }

  #begin(partitions: readonly OwnedPartition[]): void {
    for (const owned of partitions) {
      const { topic, partition, next } = owned;
      owned.state = 'active';
      this.#current?.seek({ topic, partition, offset: String(next) });
      this.#current?.resume([{ topic, partitions: [partition] }]);
    }
  }

  #pause(partitions: readonly TopicPartition[]): void {
    this.#current?.pause(partitions.map(({ topic, partition }) => ({ topic, partitions: [partition] })));
  }

  /** Must not wait for the handler: kafkajs fetches nothing else from the same broker meanwhile, not for any partition. */
  async #eachBatch({ batch, resolveOffset, isStale }: EachBatchPayload): Promise<void> {
    const owned = this.#book.get(batch.topic, batch.partition);
    if (owned && owned.state !== 'active') return this.#pause([owned]);
    if (!owned || isStale()) return;
    const from = Number((batch as unknown as { fetchedOffset: string }).fetchedOffset);
    if (from !== owned.next) return this.#misplaced(owned);
    if (!(await this.#isOfSameTopic(owned))) return;
    const lastOffset = batch.lastOffset();
    void this.#book.pushPacked(owned, batch.messages as unknown as PackedMessage[], Number(batch.highWatermark));
    // The last offset may be one of a mark that is no message.
    owned.next = Number(lastOffset) + 1;
    resolveOffset(lastOffset);
    if (owned.waitingBytes <= MAX_WAITING_BYTES) return;
    this.#pausedAt.set(owned, performance.now());
    this.#pause([owned]);
  }

  /**
   * Fetches of kafkajs name topics, but not which topic of that name has answered: so its id is read after each fetch.
   * When it cannot be read the batch is fetched again.
   */
  async #isOfSameTopic(owned: OwnedPartition): Promise<boolean> {
    const { topic } = owned;
    if ((this.#identifiedMs.get(topic) ?? -1) >= this.#fetchedMs) return true;
    const askedMs = performance.now();
    try {
      if (!(await this.#book.isSameTopic(owned))) {
        this.#pause([owned]);
        return false;
      }
    } catch (error) {
      this.#options.logger.debug({ err: error, topic }, 'which topic a batch is of was not told');
      await sleep(systemClock, FETCH_WAIT_MS, this.#closing.signal);
      return false;
    }
    this.#identifiedMs.set(topic, askedMs);
    return owned.state === 'active';
  }

  /** A topic that was replaced while its partition was paused would not be noticed otherwise. */
  async #resume(owned: OwnedPartition): Promise<void> {
    const { topic, partition } = owned;
    const pausedMs = this.#pausedAt.get(owned);
    if (pausedMs === undefined) return;
    this.#pausedAt.delete(owned);
    if (performance.now() - pausedMs > LONG_PAUSE_MS) await this.#book.verify([owned]);
    if (this.#book.owns(owned)) this.#current?.resume([{ topic, partitions: [partition] }]);
  }

  /** kafkajs went somewhere else, as it does when the log does not hold the offset any more. */
  async #misplaced(owned: OwnedPartition): Promise<void> {
    await this.#book.verify([owned]);
    if (!this.#book.owns(owned)) return this.#pause([owned]);
    this.#begin([owned]);
  }
}
