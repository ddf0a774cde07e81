import { Lifecycle } from '../core/lifecycle.ts';
import { VedetteError } from '../errors.ts';
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
import { RdkafkaAdmin } from './rdkafka-admin.ts';
import { compressionCodec } from './rdkafka-config.ts';
import { RdkafkaConsumer } from './rdkafka-consumer.ts';
import { loadRdkafka, type RdkafkaModule } from './rdkafka-module.ts';
import { RdkafkaProducer } from './rdkafka-producer.ts';
import { readStretches } from './rdkafka-reader.ts';

/** Why the native module cannot be used here; undefined when it can. */
export function whyNoRdkafka(): string | undefined {
  try {
    loadRdkafka();
    return undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const isMissing = code === 'MODULE_NOT_FOUND' && /'node-rdkafka'/.test((error as Error).message);
    if (isMissing) return 'the optional package node-rdkafka is not installed';
    return `node-rdkafka is not compiled, npm run rdkafka:build does it (${(error as Error).message.split('\n')[0]})`;
  }
}

/**
 * Apache Kafka through librdkafka: native, fast, checks CRCs. Nothing is connected yet. Throws VED_DRIVER_UNAVAILABLE when
 * the optional package is not there or not compiled.
 */
export async function createRdkafkaDriver(options: KafkaOptions): Promise<StreamDriver> {
  const why = whyNoRdkafka();
  if (why !== undefined) throw new VedetteError('VED_DRIVER_UNAVAILABLE', `The driver rdkafka: ${why}`);
  const module = loadRdkafka();
  // A compression that cannot be had here is a mistake in the settings: said now, not at the first record.
  compressionCodec(module, options);
  return new RdkafkaDriver(module, options);
}

class RdkafkaDriver implements StreamDriver {
  readonly name = 'rdkafka';
  readonly #module: RdkafkaModule;
  readonly #options: KafkaOptions;
  readonly #admin: RdkafkaAdmin;
  readonly #open = new Set<{ close(): Promise<void> }>();
  readonly #closing = new AbortController();

  constructor(module: RdkafkaModule, options: KafkaOptions) {
    this.#module = module;
    this.#options = options;
    this.#admin = new RdkafkaAdmin(module, options);
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
    const producer = new RdkafkaProducer(this.#module, this.#options, () => this.#open.delete(producer));
    await producer.connect();
    this.#open.add(producer);
    return producer;
  }

  async createConsumer(options: ConsumerOptions): Promise<StreamConsumer> {
    const consumer = new RdkafkaConsumer(this.#module, this.#options, this.#admin, options, () =>
      this.#open.delete(consumer),
    );
    await consumer.start();
    this.#open.add(consumer);
    return consumer;
  }

  read(topic: string, stretches: readonly Stretch[], signal?: AbortSignal): AsyncIterable<RecordBatch> {
    const signals = signal ? [signal, this.#closing.signal] : [this.#closing.signal];
    const ranges = () => this.#admin.ranges(topic);
    return readStretches(this.#module, this.#options, topic, stretches, ranges, AbortSignal.any(signals));
  }

  async close(): Promise<void> {
    this.#closing.abort();
    const lifecycle = new Lifecycle();
    lifecycle.defer(() => this.#admin.close());
    for (const opened of this.#open) lifecycle.defer(() => opened.close());
    await lifecycle.close();
  }
}
