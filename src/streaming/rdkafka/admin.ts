import { setTimeout as delay } from 'node:timers/promises';
import type { PartitionRange, TopicSpec } from '../driver.ts';
import { streamUnavailable, topicMissing } from '../kafka/errors.ts';
import type { KafkaAdmin } from '../kafka/index.ts';
import { type KafkaOptions, topicConfiguration } from '../kafka/options.ts';
import { KafkajsAdmin } from '../kafkajs/admin.ts';
import { loadKafkajs } from '../kafkajs/client.ts';
import { connectionConfig } from './config.ts';
import { RD, type RdError, type RdkafkaModule, type RdMetadata } from './module.ts';
import { connectProducer, type PolledProducer } from './polled.ts';

const ASK_MS = 8_000;
/** Each question blocks one of the four threads of libuv. */
const QUESTIONS_AT_A_TIME = 2;

/** Questions about topics, through a producer that sends nothing. Connects at the first call, and again after a failure. */
export class RdkafkaAdmin implements KafkaAdmin {
  readonly #module: RdkafkaModule;
  readonly #options: KafkaOptions;
  #current: Promise<PolledProducer> | undefined;
  /** For ids of topics, offsets of a whole topic at once, and by time without a consumer: node-rdkafka has none of these. */
  #other: Promise<KafkajsAdmin> | undefined;

  constructor(module: RdkafkaModule, options: KafkaOptions) {
    this.#module = module;
    this.#options = options;
  }

  async ensureTopics(topics: readonly TopicSpec[], { create }: { create: boolean }): Promise<Map<string, number>> {
    const known = await this.#partitions(topics);
    const missing = topics.filter(({ topic }) => !known.has(topic));
    const [first] = missing;
    if (!first) return known;
    if (!create) throw topicMissing(first.topic, 'and may not be made (stream.create_topics is off)');
    for (const spec of missing) await this.#create(spec);
    return this.#made(topics);
  }

  async ranges(topic: string): Promise<PartitionRange[]> {
    const partitions = (await this.#partitions([{ topic }])).get(topic);
    if (partitions === undefined) throw topicMissing(topic, 'on the broker');
    const ranges: PartitionRange[] = [];
    const numbers = Array.from({ length: partitions }, (_, partition) => partition);
    const ask = async () => {
      for (let partition = numbers.shift(); partition !== undefined; partition = numbers.shift()) {
        ranges.push(await this.#range(topic, partition));
      }
    };
    await Promise.all(Array.from({ length: QUESTIONS_AT_A_TIME }, ask));
    return ranges.sort((a, b) => a.partition - b.partition);
  }

  /** librdkafka would be asked partition by partition, each question blocking a thread. */
  async ends(topic: string): Promise<Map<number, number>> {
    return (await this.#kafkajs()).ends(topic);
  }

  async identity(topic: string): Promise<string | null> {
    return (await this.#kafkajs()).identity(topic);
  }

  async offsetsAt(topic: string, timestampMs: number): Promise<Map<number, number>> {
    return (await this.#kafkajs()).offsetsAt(topic, timestampMs);
  }

  async close(): Promise<void> {
    const [current, other] = [this.#current, this.#other];
    this.#current = undefined;
    this.#other = undefined;
    // One that never connected has nothing to close.
    await current?.then((polled) => polled.close(0)).catch(() => undefined);
    await (await other)?.close();
  }

  #kafkajs(): Promise<KafkajsAdmin> {
    this.#other ??= loadKafkajs().then((kafkajs) => new KafkajsAdmin(kafkajs, this.#options));
    return this.#other;
  }

  async #partitions(specs: ReadonlyArray<Pick<TopicSpec, 'topic'>>): Promise<Map<string, number>> {
    // Asked for all topics, because asking for one by name could make it.
    const metadata = await this.#ask<RdMetadata>('topics', ({ producer }, done) => {
      producer.getMetadata({ allTopics: true, timeout: ASK_MS }, done);
    });
    const wanted = new Set(specs.map(({ topic }) => topic));
    const existing = metadata.topics.filter(({ name, partitions }) => wanted.has(name) && partitions.length > 0);
    return new Map(existing.map(({ name, partitions }) => [name, partitions.length]));
  }

  async #range(topic: string, partition: number): Promise<PartitionRange> {
    const end = Date.now() + ASK_MS;
    for (;;) {
      try {
        return await this.#askRange(topic, partition);
      } catch (error) {
        // A leader that has just been chosen, or is being chosen, is found by asking again.
        const code = ((error as Error).cause as RdError | undefined)?.code;
        if ((code !== RD.notLeader && code !== RD.leaderNotAvailable) || Date.now() > end) throw error;
        await delay(50);
      }
    }
  }

  #askRange(topic: string, partition: number): Promise<PartitionRange> {
    return this.#ask(`offsets of ${topic}/${partition}`, ({ producer }, done) => {
      producer.queryWatermarkOffsets(topic, partition, ASK_MS, (error, offsets) =>
        done(error, { partition, low: offsets?.lowOffset, high: offsets?.highOffset }),
      );
    });
  }

  async #create({ topic, partitions, replication = -1, retentionMs }: TopicSpec): Promise<void> {
    const client = this.#module.AdminClient.create(connectionConfig(this.#options));
    try {
      await new Promise<void>((resolve, reject) => {
        const spec = { topic, num_partitions: partitions, replication_factor: replication };
        client.createTopic({ ...spec, config: topicConfiguration(retentionMs) }, ASK_MS, (error) => {
          if (!error || error.code === RD.topicExists) resolve();
          else reject(topicMissing(topic, `and could not be made: ${error.message}`, error));
        });
      });
    } finally {
      client.disconnect();
    }
  }

  /** A topic that was made is seen everywhere, with its leaders, only a little later. */
  async #made(topics: readonly TopicSpec[]): Promise<Map<string, number>> {
    const end = Date.now() + ASK_MS;
    for (;;) {
      const known = await this.#partitions(topics);
      const missing = topics.find(({ topic }) => !known.has(topic));
      if (!missing) return known;
      if (Date.now() > end) throw topicMissing(missing.topic, 'although it was made just now');
      await delay(50);
    }
  }

  async #ask<T>(
    what: string,
    question: (polled: PolledProducer, done: (error: RdError | null | undefined, value: T) => void) => void,
  ): Promise<T> {
    const polled = await this.#connected();
    try {
      return await new Promise<T>((resolve, reject) => {
        question(polled, (error, value) => (error ? reject(error) : resolve(value)));
      });
    } catch (error) {
      throw streamUnavailable(this.#options, `${what}: ${(error as Error).message}`, error);
    }
  }

  /** Once connected, librdkafka itself sees to it that it stays so. */
  #connected(): Promise<PolledProducer> {
    if (this.#current) return this.#current;
    const connecting = connectProducer(this.#module, connectionConfig(this.#options), this.#options);
    this.#current = connecting;
    connecting.catch(() => {
      if (this.#current === connecting) this.#current = undefined;
    });
    return connecting;
  }
}
