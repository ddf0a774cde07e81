import type { Admin } from 'kafkajs';
import type { PartitionRange, TopicSpec } from '../driver.ts';
import { awaitDisconnect } from '../kafka/disconnect.ts';
import { streamUnavailable, topicMissing } from '../kafka/errors.ts';
import type { KafkaAdmin } from '../kafka/index.ts';
import { type KafkaOptions, topicConfiguration } from '../kafka/options.ts';
import { createClient, type KafkaJs } from './client.ts';
import { type Cluster, createCluster, topicId } from './cluster.ts';

/** Questions about topics. Connects at the first call, and again after a failure. */
export class KafkajsAdmin implements KafkaAdmin {
  readonly #kafkajs: KafkaJs;
  readonly #options: KafkaOptions;
  #admin: Promise<Admin> | undefined;
  #cluster: Promise<Cluster> | undefined;

  constructor(kafkajs: KafkaJs, options: KafkaOptions) {
    this.#kafkajs = kafkajs;
    this.#options = options;
  }

  async ensureTopics(topics: readonly TopicSpec[], { create }: { create: boolean }): Promise<Map<string, number>> {
    return this.#ask('topics', async (admin) => {
      const known = await this.#partitions(admin, topics);
      const missing = topics.filter(({ topic }) => !known.has(topic));
      const [first] = missing;
      if (!first) return known;
      if (!create) throw topicMissing(first.topic, 'and may not be made (stream.create_topics is off)');
      for (const spec of missing) await this.#create(admin, spec);
      return this.#partitions(admin, topics);
    });
  }

  async ranges(topic: string): Promise<PartitionRange[]> {
    return this.#ask('offsets', async (admin) => {
      try {
        const offsets = await admin.fetchTopicOffsets(topic);
        return offsets
          .map(({ partition, low, high }) => ({ partition, low: Number(low), high: Number(high) }))
          .sort((a, b) => a.partition - b.partition);
      } catch (error) {
        if (errorType(error) === 'UNKNOWN_TOPIC_OR_PARTITION') throw topicMissing(topic, 'on the broker', error);
        throw error;
      }
    });
  }

  async ends(topic: string): Promise<Map<number, number>> {
    return new Map((await this.ranges(topic)).map(({ partition, high }) => [partition, high]));
  }

  async offsetsAt(topic: string, timestampMs: number): Promise<Map<number, number>> {
    return this.#ask('offsets by time', async (admin) => {
      const offsets = await admin.fetchTopicOffsetsByTimestamp(topic, Math.max(0, timestampMs));
      return new Map(offsets.map(({ partition, offset }) => [partition, Number(offset)]));
    });
  }

  async identity(topic: string): Promise<string | null> {
    try {
      this.#cluster ??= this.#connectCluster();
      return await topicId(await this.#cluster, topic);
    } catch (error) {
      const failed = this.#cluster;
      this.#cluster = undefined;
      void failed?.then((cluster) => cluster.disconnect()).catch(() => undefined);
      throw streamUnavailable(this.#options, `id of topic ${topic}: ${messageOf(error)}`, error);
    }
  }

  async close(): Promise<void> {
    const [admin, cluster] = [this.#admin, this.#cluster];
    this.#admin = undefined;
    this.#cluster = undefined;
    // A client that never connected has nothing to close.
    const connections = [admin, cluster].map((opened) => opened?.then((connected) => connected.disconnect()));
    await awaitDisconnect(Promise.allSettled(connections), this.#options.logger);
  }

  async #ask<T>(what: string, question: (admin: Admin) => Promise<T>): Promise<T> {
    try {
      this.#admin ??= this.#connect();
      return await question(await this.#admin);
    } catch (error) {
      if (isCoded(error)) throw error;
      const failed = this.#admin;
      this.#admin = undefined;
      void failed?.then((admin) => admin.disconnect()).catch(() => undefined);
      throw streamUnavailable(this.#options, `${what}: ${messageOf(error)}`, error);
    }
  }

  async #connect(): Promise<Admin> {
    const admin = createClient(this.#kafkajs, this.#options).admin({ retry: { retries: 3, initialRetryTime: 100 } });
    await admin.connect();
    return admin;
  }

  async #connectCluster(): Promise<Cluster> {
    const cluster = createCluster(this.#kafkajs, this.#options);
    await cluster.connect();
    // Only then it knows the brokers.
    await cluster.refreshMetadata();
    return cluster;
  }

  /** Of those that exist. Asked for all topics, because asking for one by name could make it. */
  async #partitions(admin: Admin, specs: readonly TopicSpec[]): Promise<Map<string, number>> {
    const existing = new Set(await admin.listTopics());
    const topics = specs.map(({ topic }) => topic).filter((topic) => existing.has(topic));
    if (topics.length === 0) return new Map();
    const metadata = await admin.fetchTopicMetadata({ topics });
    return new Map(metadata.topics.map(({ name, partitions }) => [name, partitions.length]));
  }

  async #create(admin: Admin, spec: TopicSpec): Promise<void> {
    const { topic, partitions, replication = -1, retentionMs } = spec;
    const configEntries = Object.entries(topicConfiguration(retentionMs)).map(([name, value]) => ({ name, value }));
    try {
      const entry = { topic, numPartitions: partitions, replicationFactor: replication, configEntries };
      await admin.createTopics({ topics: [entry], waitForLeaders: true, timeout: 15_000 });
    } catch (error) {
      throw topicMissing(topic, `and could not be made: ${messageOf(error)}`, error);
    }
  }
}

/** Kafka's name of the error, as kafkajs carries it somewhere along the chain of causes. */
export function errorType(error: unknown): string | undefined {
  for (let current = error; current instanceof Error; current = current.cause) {
    const { type, errors } = current as Error & { type?: string; errors?: unknown[] };
    if (type !== undefined) return type;
    if (Array.isArray(errors) && errors.length > 0) return errorType(errors[0]);
  }
  return undefined;
}

export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { errors } = error as Error & { errors?: unknown[] };
  return Array.isArray(errors) && errors.length > 0 ? errors.map(messageOf).join('; ') : error.message;
}

function isCoded(error: unknown): boolean {
  return error instanceof Error && String((error as { code?: unknown }).code).startsWith('VED_');
}
