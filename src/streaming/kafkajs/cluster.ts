import { createRequire } from 'node:module';
import type { Consumer, ConsumerConfig, Kafka, KafkaConfig } from 'kafkajs';
import type { KafkaOptions } from '../kafka/options.ts';
import { clientConfig, type KafkaJs } from './client.ts';
import { type PackedMessage, withPackedFetch } from './packed-fetch.ts';

/**
 * kafkajs below its public API: fetching without a consumer group, and the ids of topics, which its protocol versions do
 * not know. kafkajs is pinned to one version, and tests on a real broker cover the parts used here.
 */
export interface Cluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  refreshMetadata(): Promise<void>;
  addMultipleTargetTopics(topics: string[]): Promise<void>;
  findLeaderForPartitions(topic: string, partitions: number[]): Record<string, number[]>;
  findBroker(broker: { nodeId: string }): Promise<Broker>;
  brokerPool: { withBroker<T>(use: (found: { broker: Broker }) => Promise<T>): Promise<T> };
}

export interface Broker {
  versions: Record<number, { maxVersion: number } | undefined> | null;
  connectionPool: { send(exchange: object): Promise<unknown> };
  fetch(request: {
    maxWaitTime: number;
    minBytes: number;
    maxBytes: number;
    isolationLevel: number;
    topics: Array<{ topic: string; partitions: Array<{ partition: number; fetchOffset: string; maxBytes: number }> }>;
  }): Promise<{ responses: Array<{ topicName: string; partitions: FetchedPartition[] }> }>;
}

export interface FetchedPartition {
  partition: number;
  highWatermark: string;
  messages: PackedMessage[];
}

interface Encoder {
  writeUVarInt(value: number): Encoder;
  writeBuffer(value: Buffer): Encoder;
  writeUVarIntString(value: string): Encoder;
  writeBoolean(value: boolean): Encoder;
}

export interface Decoder {
  offset: number;
  buffer: Buffer;
  readInt16(): number;
  readInt32(): number;
  readInt64(): bigint;
  readString(): string;
  /** Its length comes first; -1: null. */
  readBytes(): Buffer | null;
  readArray<T>(read: () => T): T[];
  readArrayAsync<T>(read: () => Promise<T>): Promise<T[]>;
  readUVarInt(): number;
  readUVarIntString(): string | null;
  readTaggedFields(): unknown;
}

const require = createRequire(import.meta.url);
const READ_COMMITTED = 1;
const METADATA = 3;
const METADATA_VERSION = 12;
const UUID_BYTES = 16;

export function createCluster(kafkajs: KafkaJs, options: KafkaOptions): Cluster {
  const retry = { retries: 3, initialRetryTime: 100 };
  return buildCluster(kafkajs, options, { retry, metadataMaxAge: 60_000 });
}

/** A consumer like that of kafkajs's client, but its messages are PackedMessage. */
export function createConsumer(kafkajs: KafkaJs, options: KafkaOptions, config: ConsumerConfig): Consumer {
  const EmitterClass = require('kafkajs/src/instrumentation/emitter') as new () => object;
  const build = require('kafkajs/src/consumer') as (options: object) => Consumer;
  const instrumentationEmitter = new EmitterClass();
  const { retry, ...base } = clientConfig(kafkajs, options);
  const { metadataMaxAge } = config;
  const cluster = buildCluster(kafkajs, options, { retry, metadataMaxAge, instrumentationEmitter });
  return build({
    ...config,
    retry: { ...retry, ...config.retry },
    logger: new kafkajs.Kafka(base).logger(),
    cluster,
    isolationLevel: READ_COMMITTED,
    instrumentationEmitter,
  });
}

function buildCluster(kafkajs: KafkaJs, options: KafkaOptions, more: object): Cluster {
  const config: KafkaConfig = clientConfig(kafkajs, options);
  const client: Kafka = new kafkajs.Kafka(config);
  const ClusterClass = require('kafkajs/src/cluster') as new (options: object) => Cluster;
  const socketFactory = (require('kafkajs/src/network/socketFactory') as () => unknown)();
  const cluster = new ClusterClass({
    ...config,
    logger: client.logger(),
    socketFactory,
    enforceRequestTimeout: true,
    allowAutoTopicCreation: false,
    isolationLevel: READ_COMMITTED,
    ...more,
  });
  const findBroker = cluster.findBroker.bind(cluster);
  cluster.findBroker = async (wanted) => withPackedFetch(await findBroker(wanted));
  return cluster;
}

/** The id that Kafka gave the topic when it was made, as hexadecimal text; null when missing or not known to the broker. */
export function topicId(cluster: Cluster, topic: string): Promise<string | null> {
  return cluster.brokerPool.withBroker(async ({ broker }) => {
    if ((broker.versions?.[METADATA]?.maxVersion ?? 0) < METADATA_VERSION) return null;
    return broker.connectionPool.send({
      request: {
        apiKey: METADATA,
        apiVersion: METADATA_VERSION,
        apiName: 'Metadata',
        encode: async () => encodeRequest(topic),
      },
      response: { decode: async (bytes: Buffer) => decodeResponse(bytes), parse: async (id: string | null) => id },
    }) as Promise<string | null>;
  });
}

/** Metadata request, version 12, of one topic; the first byte closes the request header of flexible versions. */
function encodeRequest(topic: string): Encoder {
  const EncoderClass = require('kafkajs/src/protocol/encoder') as new () => Encoder;
  return new EncoderClass()
    .writeUVarInt(0)
    .writeUVarInt(2)
    .writeBuffer(Buffer.alloc(UUID_BYTES))
    .writeUVarIntString(topic)
    .writeUVarInt(0)
    .writeBoolean(false)
    .writeBoolean(false)
    .writeUVarInt(0);
}

/** Metadata response, version 12, read as far as the id of its only topic. */
function decodeResponse(bytes: Buffer): string | null {
  const DecoderClass = require('kafkajs/src/protocol/decoder') as new (bytes: Buffer) => Decoder;
  const decoder = new DecoderClass(bytes);
  decoder.readTaggedFields();
  decoder.readInt32();
  for (let brokers = decoder.readUVarInt() - 1; brokers > 0; brokers--) {
    decoder.readInt32();
    decoder.readUVarIntString();
    decoder.readInt32();
    decoder.readUVarIntString();
    decoder.readTaggedFields();
  }
  decoder.readUVarIntString();
  decoder.readInt32();
  if (decoder.readUVarInt() !== 2 || decoder.readInt16() !== 0) return null;
  decoder.readUVarIntString();
  const id = decoder.buffer.subarray(decoder.offset, decoder.offset + UUID_BYTES);
  return id.every((byte) => byte === 0) ? null : id.toString('hex');
}
