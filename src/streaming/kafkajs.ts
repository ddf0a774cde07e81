import { Lifecycle } from '../core/lifecycle.ts';
import type {
  ConsumerOptions,
  PartitionRange,
  RecordBatch,
  StreamConsumer,
  StreamDriver,
  StreamProducer,
  Stretch,
  TopicSpec,
} from './driver.ts';
import type { KafkaOptions } from './kafka-options.ts';
import { KafkajsAdmin } from './kafkajs-admin.ts';
import { type KafkaJs, loadKafkajs } from './kafkajs-client.ts';
import { compressionType } from './kafkajs-codecs.ts';
import { KafkajsConsumer } from './kafkajs-consumer.ts';
import { KafkajsProducer } from './kafkajs-producer.ts';
import { readStretches } from './kafkajs-reader.ts';

/** Apache Kafka through kafkajs: pure JavaScript, nothing to compile. Nothing is connected yet. */
export async function createKafkajsDriver(options: KafkaOptions): Promise<StreamDriver> {
  const kafkajs = await loadKafkajs();
  // A compression that cannot be had here is a mistake in the settings: said now, not at the first record.
  compressionType(kafkajs, options.compression);
  return new KafkajsDriver(kafkajs, options);
}

class KafkajsDriver implements StreamDriver {
  readonly name = 'kafkajs';
  readonly #kafkajs: KafkaJs;
  readonly #options: KafkaOptions;
  readonly #admin: KafkajsAdmin;
  readonly #open = new Set<{ close(): Promise<void> }>();
  readonly #closing = new AbortController();

  constructor(kafkajs: KafkaJs, options: KafkaOptions) {
    this.#kafkajs = kafkajs;
    this.#options = options;
    this.#admin = new KafkajsAdmin(kafkajs, options);
  }

  ensureTopics(topics: readonly TopicSpec[], options: { create: boolean }): Promise<Map<string, number>> {
    return this.#admin.ensureTopics(topics, options);
  }

  ranges(topic: string): Promise<PartitionRange[]> {
    return this.#admin.ranges(topic);
  }

  identity(topic: string): Promise<string | null> {
    return this.#admin.identity(topic);
  }

  async createProducer(): Promise<StreamProducer> {
    const producer = new KafkajsProducer(this.#kafkajs, this.#options, () => this.#open.delete(producer));
    await producer.connect();
    this.#open.add(producer);
    return producer;
  }

  async createConsumer(options: ConsumerOptions): Promise<StreamConsumer> {
    const consumer = new KafkajsConsumer(this.#kafkajs, this.#options, this.#admin, options, () =>
      this.#open.delete(consumer),
    );
    await consumer.start();
    this.#open.add(consumer);
    return consumer;
  }

  read(topic: string, stretches: readonly Stretch[], signal?: AbortSignal): AsyncIterable<RecordBatch> {
    const signals = signal ? [signal, this.#closing.signal] : [this.#closing.signal];
    const ranges = () => this.#admin.ranges(topic);
    return readStretches(this.#kafkajs, this.#options, topic, stretches, ranges, AbortSignal.any(signals));
  }

  async close(): Promise<void> {
    this.#closing.abort();
    const lifecycle = new Lifecycle();
    lifecycle.defer(() => this.#admin.close());
    for (const opened of this.#open) lifecycle.defer(() => opened.close());
    await lifecycle.close();
  }
}
