import { Lifecycle } from '../../core/lifecycle.ts';
import type {
  ConsumerOptions,
  OffsetRange,
  PartitionRange,
  ProducerOptions,
  RecordBatch,
  StreamConsumer,
  StreamDriver,
  StreamProducer,
  TopicSpec,
} from '../driver.ts';
import { clip, type OpenRange } from './offset-ranges.ts';

/** The questions about topics of StreamDriver. Connects at the first call, and again after a failure. */
export interface KafkaAdmin {
  ensureTopics(topics: readonly TopicSpec[], options: { create: boolean }): Promise<Map<string, number>>;
  ends(topic: string): Promise<Map<number, number>>;
  ranges(topic: string): Promise<PartitionRange[]>;
  identity(topic: string): Promise<string | null>;
  offsetsAt(topic: string, timestampMs: number): Promise<Map<number, number>>;
  close(): Promise<void>;
}

/** An object that is made without a connection, and connects with `start`. */
export type Startable<T> = T & { start(): Promise<void> };

/** The functions that a client library of Kafka provides to become a stream driver. It connects when needed. */
export interface KafkaClient {
  readonly name: string;
  readonly admin: KafkaAdmin;
  createProducer(options: ProducerOptions): Startable<StreamProducer>;
  createConsumer(options: ConsumerOptions): Startable<StreamConsumer>;
  /** Reads the ranges, at least one, outside any group until all are at their end or `signal` aborts. */
  read(topic: string, open: readonly OpenRange[], signal: AbortSignal): AsyncIterable<RecordBatch>;
}

/** Apache Kafka, through one of its client libraries. */
export class KafkaDriver implements StreamDriver {
  readonly name: string;
  readonly #client: KafkaClient;
  readonly #open = new Set<() => Promise<void>>();
  readonly #closing = new AbortController();

  constructor(client: KafkaClient) {
    this.name = client.name;
    this.#client = client;
  }

  ensureTopics(topics: readonly TopicSpec[], options: { create: boolean }): Promise<Map<string, number>> {
    return this.#client.admin.ensureTopics(topics, options);
  }

  ends(topic: string): Promise<Map<number, number>> {
    return this.#client.admin.ends(topic);
  }

  ranges(topic: string): Promise<PartitionRange[]> {
    return this.#client.admin.ranges(topic);
  }

  identity(topic: string): Promise<string | null> {
    return this.#client.admin.identity(topic);
  }

  offsetsAt(topic: string, timestampMs: number): Promise<Map<number, number>> {
    return this.#client.admin.offsetsAt(topic, timestampMs);
  }

  async createProducer(options: ProducerOptions = {}): Promise<StreamProducer> {
    const producer = this.#client.createProducer(options);
    const close = await this.#start(producer);
    return { send: (records) => producer.send(records), close };
  }

  async createConsumer(options: ConsumerOptions): Promise<StreamConsumer> {
    const consumer = this.#client.createConsumer(options);
    const close = await this.#start(consumer);
    return {
      reset: (partitions) => consumer.reset(partitions),
      reportCommitted: (positions) => consumer.reportCommitted(positions),
      close,
    };
  }

  async *read(topic: string, wanted: readonly OffsetRange[], signal?: AbortSignal): AsyncGenerator<RecordBatch> {
    const open = clip(wanted, await this.ranges(topic));
    if (open.length === 0) return;
    const signals = signal ? [signal, this.#closing.signal] : [this.#closing.signal];
    yield* this.#client.read(topic, open, AbortSignal.any(signals));
  }

  async close(): Promise<void> {
    this.#closing.abort();
    const lifecycle = new Lifecycle();
    lifecycle.defer(() => this.#client.admin.close());
    for (const close of this.#open) lifecycle.defer(close);
    await lifecycle.close();
  }

  /** Returns the function that closes it; repeated calls close it once. */
  async #start(opened: Startable<{ close(): Promise<void> }>): Promise<() => Promise<void>> {
    try {
      await opened.start();
    } catch (error) {
      await opened.close();
      throw error;
    }
    let closed: Promise<void> | undefined;
    const close = () => {
      this.#open.delete(close);
      closed ??= opened.close();
      return closed;
    };
    this.#open.add(close);
    return close;
  }
}
