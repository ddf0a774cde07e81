import type { Admin } from 'kafkajs';
import { streamUnavailable } from '../kafka/errors.ts';
import type { KafkaOptions } from '../kafka/options.ts';
import { messageOf } from './admin.ts';
import { createClient, loadKafkajs } from './client.ts';

/** A read-only survey of a cluster, for people who have to find its faults. */
export interface KafkaSurvey {
  /** As they call themselves to clients (`advertised.listeners`). */
  brokers: ReadonlyArray<{ host: string; port: number }>;
  /** Null: there is no such topic. */
  topic(name: string): Promise<TopicSurvey | null>;
  close(): Promise<void>;
}

export interface TopicSurvey {
  partitions: number;
  /** Replicas of the partition that has the fewest. */
  replicas: number;
  /** Partitions without a leader at the moment. */
  leaderless: number[];
  /** Effective values by name, e.g. `retention.ms`; null where this user may not read them. */
  configuration: ReadonlyMap<string, string> | null;
}

const TOPIC = 2;
const LOOKED_AT = ['cleanup.policy', 'max.message.bytes', 'min.insync.replicas', 'retention.bytes', 'retention.ms'];

/**
 * Through kafkajs, for either driver: the native client does not return configuration. Throws VED_STREAM_UNAVAILABLE.
 */
export async function surveyKafka(options: KafkaOptions): Promise<KafkaSurvey> {
  const kafkajs = await loadKafkajs();
  const limits = { connectionTimeout: 3_000, authenticationTimeout: 4_000, requestTimeout: 5_000 };
  const retry = { retries: 1, initialRetryTime: 100 };
  const admin = createClient(kafkajs, options, { ...limits, retry }).admin({ retry });
  try {
    await admin.connect();
    const [{ brokers }, names] = await Promise.all([admin.describeCluster(), admin.listTopics()]);
    const existing = new Set(names);
    return {
      brokers,
      topic: async (name) => (existing.has(name) ? surveyTopic(admin, name) : null),
      close: () => admin.disconnect(),
    };
  } catch (error) {
    void admin.disconnect().catch(() => undefined);
    throw streamUnavailable(options, messageOf(error), error);
  }
}

async function surveyTopic(admin: Admin, name: string): Promise<TopicSurvey> {
  const [{ topics }, configuration] = await Promise.all([
    admin.fetchTopicMetadata({ topics: [name] }),
    readConfiguration(admin, name),
  ]);
  const partitions = topics[0]?.partitions ?? [];
  return {
    partitions: partitions.length,
    replicas: Math.min(...partitions.map(({ replicas }) => replicas.length)),
    leaderless: partitions.filter(({ leader }) => leader < 0).map(({ partitionId }) => partitionId),
    configuration,
  };
}

async function readConfiguration(admin: Admin, name: string): Promise<ReadonlyMap<string, string> | null> {
  try {
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: TOPIC, name, configNames: LOOKED_AT }],
    });
    return new Map(resources[0]?.configEntries.map(({ configName, configValue }) => [configName, configValue]));
  } catch {
    return null; // Needs a right of its own (DescribeConfigs), which a client that only produces and consumes lacks.
  }
}
