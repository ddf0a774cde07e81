import { Lifecycle } from '../../core/lifecycle.ts';
import type {
  ConsumerOptions,
  PartitionRange,
  RecordBatch,
  StreamConsumer,
  StreamDriver,
  StreamProducer,
  Stretch,
  TopicSpec,
} from '../driver.ts';
import { clip, type OpenStretch } from './stretches.ts';

/** Questions about topics, as in StreamDriver. Connects when it is first asked, and anew after a failure. */
export interface KafkaAdmin {
  ensureTopics(topics: readonly TopicSpec[], options: { create: boolean }): Promise<Map<string, number>>;
  ends(topic: string): Promise<Map<number, number>>;
  ranges(topic: string): Promise<PartitionRange[]>;
  identity(topic: string): Promise<string | null>;
  offsetsAt(topic: string, timestampMs: number): Promise<Map<number, number>>;
  close(): Promise<void>;
}

/** What is made without a connection, and begins with `start`. */
export type Startable<T> = T & { start(): Promise<void> };

/** What a client library of Kafka has to offer to be a stream driver. Nothing is connected before it is needed. */
export interface KafkaClient {
  readonly name: string;
  readonly admin: KafkaAdmin;
  createProducer(): Startable<StreamProducer>;
  createConsumer(options: ConsumerOptions): Startable<StreamConsumer>;
  /** Reads the stretches, at least one, outside any group until all are at their end or `signal` aborts. */
  read(topic: string, open: readonly OpenStretch[], signal: AbortSignal): AsyncIterable<RecordBatch>;
}

/** Apache Kafka, through whichever client library. */
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

  async createProducer(): Promise<StreamProducer> {
    const producer = this.#client.createProducer();
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

  async *read(topic: string, stretches: readonly Stretch[], signal?: AbortSignal): AsyncGenerator<RecordBatch> {
    const open = clip(stretches, await this.ranges(topic));
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

  /** Answers what closes it, once however often it is called. */
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
