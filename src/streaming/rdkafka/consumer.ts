import { sleep, systemClock } from '../../core/clock.ts';
import { firstOf } from '../../core/first-of.ts';
import type { ConsumerOptions, StreamConsumer, TopicPartition } from '../driver.ts';
import { streamUnavailable, topicMissing } from '../kafka/errors.ts';
import type { KafkaAdmin, Startable } from '../kafka/index.ts';
import { ASSIGNMENT_STRATEGY, type KafkaOptions } from '../kafka/options.ts';
import { MAX_WAITING_BYTES, type OwnedPartition, PartitionBook } from '../partition-book.ts';
import { connectionConfig, disconnected, FailureLog } from './config.ts';
import { RD, RD_EVENT, type RdConsumer, type RdError, type RdkafkaModule, type RdMessage } from './module.ts';
import { MessagePoll } from './poll.ts';
import { byPartition, toRecord } from './records.ts';

const CONNECT_MS = 10_000;
/** How long an active partition may be silent until the log is asked whether it should be. */
const SILENCE_MS = 5_000;
const ERROR_PAUSE_MS = 200;
const TOPIC_REPLACED = /Topic \S+ changed id from (?!A+ )/;

/** How librdkafka fetches an active partition. */
interface FetchState {
  isPaused: boolean;
  /** When the last record came. */
  lastMs: number;
}

/**
 * All changes of the assignment (assign, pause, resume) are made between two calls of `consume`, when no message is under
 * way: so every message belongs to the assignment of its time. Only giving partitions up happens at once.
 */
export class RdkafkaConsumer implements Startable<StreamConsumer> {
  readonly #module: RdkafkaModule;
  readonly #options: KafkaOptions;
  readonly #admin: KafkaAdmin;
  readonly #settings: ConsumerOptions;
  readonly #book: PartitionBook;
  readonly #fetchStates = new WeakMap<OwnedPartition, FetchState>();
  readonly #closing = new AbortController();
  #consumer!: RdConsumer;
  #loop: Promise<void> | undefined;
  #mustAssign = false;
  #isVerifying = false;
  #verifiedMs = 0;

  constructor(module: RdkafkaModule, options: KafkaOptions, admin: KafkaAdmin, settings: ConsumerOptions) {
    this.#module = module;
    this.#options = options;
    this.#admin = admin;
    this.#settings = settings;
    this.#book = new PartitionBook({
      handler: settings.handler,
      logger: options.logger,
      log: admin,
      onKnown: () => {
        this.#mustAssign = true;
      },
    });
  }

  async start(): Promise<void> {
    // A topic that is missing would only be an error among others later on.
    const topics = this.#settings.topics.map((topic) => ({ topic, partitions: 0 }));
    await this.#admin.ensureTopics(topics, { create: false }).catch((error: Error & { code?: string }) => {
      if (error.code === 'VED_TOPIC_MISSING') throw topicMissing(topicOf(error.message), 'on the broker', error);
      throw error;
    });
    this.#consumer = this.#create();
    await new Promise<void>((resolve, reject) => {
      this.#consumer.connect({ timeout: CONNECT_MS, topic: firstOf(this.#settings.topics) }, (error) => {
        if (error) reject(streamUnavailable(this.#options, error.message, error));
        else resolve();
      });
    });
    this.#consumer.subscribe(this.#settings.topics);
    this.#loop = this.#run();
  }

  reset(partitions: readonly TopicPartition[]): void {
    this.#book.reset(partitions);
    this.#mustAssign = true;
  }

  reportCommitted(positions: ReadonlyArray<TopicPartition & { offset: number }>): void {
    const owned = positions.filter(({ topic, partition }) => this.#book.get(topic, partition)?.state === 'active');
    if (owned.length === 0 || this.#closing.signal.aborted) return;
    try {
      this.#consumer.commit(owned.map(({ topic, partition, offset }) => ({ topic, partition, offset })));
    } catch (error) {
      this.#options.logger.debug({ err: error }, 'committed offsets were not reported');
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#loop;
    await this.#book.close();
    this.#book.revokeAll();
    await this.#disconnect();
  }

  #create(): RdConsumer {
    const { sessionTimeoutMs, heartbeatMs, rebalanceTimeoutMs } = this.#options;
    const config = {
      ...connectionConfig(this.#options),
      'group.id': this.#settings.group,
      'partition.assignment.strategy': ASSIGNMENT_STRATEGY,
      'session.timeout.ms': sessionTimeoutMs,
      'heartbeat.interval.ms': heartbeatMs,
      // To the group it is the rebalance timeout.
      'max.poll.interval.ms': rebalanceTimeoutMs,
      'enable.auto.commit': false,
      'enable.auto.offset.store': false,
      'check.crcs': true,
      // The default of a second stalls every reader that is faster than its broker connection.
      'fetch.queue.backoff.ms': 2,
      'fetch.wait.max.ms': 100,
      // Of each partition, packed and unpacked: what waits here is all memory of this process.
      'fetch.message.max.bytes': 2 ** 19,
      'fetch.max.bytes': 4 * 2 ** 20,
      'queued.max.messages.kbytes': 4 * 1024,
      'enable.partition.eof': false,
      // The only way to learn that a topic was replaced by one of the same name; it reads on there at the same offset.
      debug: 'topic',
      rebalance_cb: (error: RdError, partitions: TopicPartition[]) => this.#rebalance(error, partitions),
      offset_commit_cb: () => undefined,
    };
    // An offset that the log does not hold is never replaced by another one silently.
    const consumer = new this.#module.KafkaConsumer(config, { 'auto.offset.reset': 'error' });
    const failures = new FailureLog(consumer, this.#options.logger);
    consumer.on('event.log', ({ message }) => {
      if (TOPIC_REPLACED.test(message)) this.reset(this.#book.all().filter(({ state }) => state === 'active'));
    });
    consumer.on('event.error', (error) => {
      this.#options.logger.debug({ err: error }, 'librdkafka consumer');
      if (!RD_EVENT.allBrokersDown.test(error.message) || this.#closing.signal.aborted) return;
      this.#settings.handler.onError(streamUnavailable(this.#options, failures.reason(error), error));
    });
    return consumer;
  }

  #rebalance(error: RdError, partitions: readonly TopicPartition[]): void {
    this.#book.revokeAll();
    try {
      if (error.code === RD.assignPartitions && !this.#closing.signal.aborted) {
        // librdkafka waits for an assignment, and the group for this member: so it gets one with nothing to read, and
        // the real one when the offsets are known.
        this.#consumer.assign([]);
        this.#book.assign(partitions);
      } else this.#consumer.unassign();
    } catch (failure) {
      this.#options.logger.debug({ err: failure }, 'rebalance was overtaken');
    }
  }

  async #run(): Promise<void> {
    const poll = new MessagePoll(this.#consumer);
    const { signal } = this.#closing;
    while (!signal.aborted) {
      this.#change();
      try {
        const messages = await poll.next();
        // One turn of the event loop: events that librdkafka raised before these messages must be handled before them.
        await new Promise((resolve) => setImmediate(resolve));
        this.#take(messages);
      } catch (error) {
        this.#failed(error as RdError);
        await sleep(systemClock, ERROR_PAUSE_MS, signal);
      }
      this.#watchSilence();
    }
  }

  /** Applies assignments, pauses and resumes. Runs only while no message is under way. */
  #change(): void {
    const { signal } = this.#closing;
    if (this.#mustAssign && !signal.aborted) {
      this.#mustAssign = false;
      this.#assign();
    }
    for (const owned of this.#book.all()) {
      const fetchState = this.#fetchStates.get(owned);
      if (!fetchState || owned.state !== 'active') continue;
      if (!fetchState.isPaused && owned.waitingBytes > MAX_WAITING_BYTES) {
        fetchState.isPaused = true;
        this.#consumer.pause([owned]);
      } else if (fetchState.isPaused && owned.waiting.length === 0) {
        fetchState.isPaused = false;
        fetchState.lastMs = performance.now();
        this.#consumer.resume([owned]);
      }
    }
  }

  #assign(): void {
    const readable = this.#book.all().filter(({ state }) => state === 'known' || state === 'active');
    const nowMs = performance.now();
    try {
      this.#consumer.assign(readable.map(({ topic, partition, next }) => ({ topic, partition, offset: next })));
    } catch (error) {
      // A rebalance came in between; its own assignment follows.
      this.#options.logger.debug({ err: error }, 'assignment was overtaken');
      return;
    }
    for (const owned of readable) {
      owned.state = 'active';
      const fetchState = this.#fetchStates.get(owned);
      if (!fetchState) this.#fetchStates.set(owned, { isPaused: false, lastMs: nowMs });
      else if (fetchState.isPaused) this.#consumer.pause([owned]);
      if (fetchState) fetchState.lastMs = nowMs;
    }
  }

  #take(messages: readonly RdMessage[]): void {
    for (const group of byPartition(messages)) {
      const { topic, partition } = firstOf(group);
      const owned = this.#book.get(topic, partition);
      const fetchState = owned && this.#fetchStates.get(owned);
      if (!fetchState || owned.state !== 'active') continue;
      fetchState.lastMs = performance.now();
      void this.#book.push(owned, group.map(toRecord), this.#highWatermark(owned));
    }
  }

  #highWatermark({ topic, partition }: OwnedPartition): number {
    try {
      return this.#consumer.getWatermarkOffsets(topic, partition).highOffset;
    } catch {
      // Not known before the first fetch of an assignment; the book uses at least the offset that was read.
      return 0;
    }
  }

  #failed(error: RdError): void {
    const { handler, topics } = this.#settings;
    this.#options.logger.debug({ err: error }, 'librdkafka consumer');
    if (this.#closing.signal.aborted) return;
    switch (error.code) {
      case RD.autoOffsetReset:
        this.#verify(this.#book.all().filter(({ state }) => state === 'active'));
        break;
      case RD.unknownTopic:
      case RD.unknownPartition:
      case RD.unknownTopicOrPartition:
        handler.onError(topicMissing(topics.join(', '), 'on the broker any more', error));
        this.#verify(this.#book.all().filter(({ state }) => state === 'active'));
        break;
      case RD.topicAuthorization:
      case RD.groupAuthorization:
        handler.onError(streamUnavailable(this.#options, error.message, error));
        break;
      default:
    }
  }

  /**
   * node-rdkafka drops an error that comes behind messages of the same call: so a partition that is silent is compared
   * with the log from time to time. One that should not be silent is assigned again.
   */
  #watchSilence(): void {
    const nowMs = performance.now();
    if (nowMs - this.#verifiedMs < SILENCE_MS) return;
    const silent = this.#book.all().filter((owned) => {
      const fetchState = this.#fetchStates.get(owned);
      return owned.state === 'active' && fetchState && !fetchState.isPaused && nowMs - fetchState.lastMs > SILENCE_MS;
    });
    this.#verify(silent, ({ logEnd, next }) => logEnd !== null && logEnd > next);
  }

  /** Compares with the log, and begins to read again when a partition was lost or `isStuck`. */
  #verify(partitions: readonly OwnedPartition[], isStuck = (_owned: OwnedPartition) => true): void {
    if (this.#isVerifying || partitions.length === 0) return;
    this.#isVerifying = true;
    this.#verifiedMs = performance.now();
    void this.#book.verify(partitions).then((isKnown) => {
      this.#isVerifying = false;
      // Lost partitions must not be read any more; the others begin again at their offset, which fetches records twice.
      if (isKnown && partitions.some((owned) => !this.#book.owns(owned) || isStuck(owned))) this.#mustAssign = true;
    });
  }

  async #disconnect(): Promise<void> {
    if (!this.#consumer?.isConnected()) return;
    await disconnected((done) => this.#consumer.disconnect(done), this.#options);
  }
}

function topicOf(message: string): string {
  return message.split(' ')[1] ?? message;
}
