import { createRequire } from 'node:module';

/** The types of node-rdkafka that are used. It is an optional package: declared here, a build does not need it. */
export interface RdkafkaModule {
  KafkaConsumer: new (global: object, topic: object) => RdConsumer;
  Producer: new (global: object, topic: object) => RdProducer;
  AdminClient: { create(global: object): RdAdminClient };
  librdkafkaVersion: string;
  features: string[];
}

export interface RdError extends Error {
  code: number;
}

interface RdPosition {
  topic: string;
  partition: number;
  offset: number;
}

export interface RdMessage extends RdPosition {
  value: Buffer | null;
  key: Buffer | null;
  size: number;
  timestamp: number;
  headers?: Array<Record<string, Buffer>>;
}

type Done<T = unknown> = (error: RdError | null | undefined, value: T) => void;

interface RdClient {
  connect(options: { timeout?: number; topic?: string; allTopics?: boolean }, done: Done): void;
  isConnected(): boolean;
  getMetadata(options: { topic?: string; allTopics?: boolean; timeout?: number }, done: Done<RdMetadata>): void;
  queryWatermarkOffsets(
    topic: string,
    partition: number,
    timeoutMs: number,
    done: Done<{ lowOffset: number; highOffset: number }>,
  ): void;
  on(event: 'event.error', listener: (error: RdError) => void): void;
  on(event: 'event.log', listener: (entry: { severity: number; fac: string; message: string }) => void): void;
}

export interface RdMetadata {
  topics: Array<{ name: string; partitions: Array<{ id: number; leader: number }> }>;
}

export interface RdConsumer extends RdClient {
  subscribe(topics: readonly string[]): void;
  unsubscribe(): void;
  disconnect(done: () => void): void;
  assign(partitions: readonly RdPosition[]): void;
  unassign(): void;
  pause(partitions: ReadonlyArray<{ topic: string; partition: number }>): void;
  resume(partitions: ReadonlyArray<{ topic: string; partition: number }>): void;
  consume(limit: number, done: Done<RdMessage[]>): void;
  setDefaultConsumeTimeout(timeoutMs: number): void;
  getWatermarkOffsets(topic: string, partition: number): { lowOffset: number; highOffset: number };
  commit(positions: readonly RdPosition[]): void;
}

export interface RdProducer extends RdClient {
  produce(
    topic: string,
    partition: number,
    value: Buffer,
    key: string | null,
    timestamp: null,
    opaque: unknown,
    headers: Array<Record<string, string>> | undefined,
  ): void;
  poll(): void;
  disconnect(flushMs: number, done: () => void): void;
  on(event: 'event.error', listener: (error: RdError) => void): void;
  on(event: 'event.log', listener: (entry: { severity: number; fac: string; message: string }) => void): void;
  on(event: 'delivery-report', listener: (error: RdError | null, report: { opaque: unknown }) => void): void;
}

interface RdAdminClient {
  createTopic(
    topic: { topic: string; num_partitions: number; replication_factor: number; config: Record<string, string> },
    timeoutMs: number,
    done: (error?: RdError) => void,
  ): void;
  disconnect(): void;
}

/** Events have no number, only librdkafka's text. */
export const RD_EVENT = {
  allBrokersDown: /all broker connections are down/i,
  fatal: /^fatal error/i,
} as const;

/** librdkafka's numbers of the errors that are told apart. */
export const RD = {
  revokePartitions: -174,
  assignPartitions: -175,
  autoOffsetReset: -140,
  queueFull: -184,
  unknownTopic: -188,
  unknownPartition: -190,
  unknownTopicOrPartition: 3,
  leaderNotAvailable: 5,
  notLeader: 6,
  topicAuthorization: 29,
  groupAuthorization: 30,
  topicExists: 36,
} as const;

/** Throws Node's error when the package is not installed or not compiled. */
export function loadRdkafka(): RdkafkaModule {
  return createRequire(import.meta.url)('node-rdkafka') as RdkafkaModule;
}
