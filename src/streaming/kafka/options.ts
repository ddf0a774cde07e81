import type { Logger } from '../../core/logger.ts';
import { VedetteError } from '../../errors.ts';

/** How to reach Kafka, the same for every driver. Texts of certificates, never files. */
export interface KafkaOptions {
  /** host:port */
  bootstrapServers: readonly string[];
  clientId: string;
  /** null: no TLS. PEM texts; a null `ca` means the authorities that Node ships. */
  tls: KafkaTls | null;
  sasl: KafkaSasl | null;
  /** `auto`: gzip for readers of any kind, since every client of Kafka reads it; else lz4 where this machine can. */
  compression: KafkaCompression;
  logger: Logger;
  /** After this long without a sign of life the group gives a member's partitions to others. */
  sessionTimeoutMs: number;
  /** How often a member gives a sign of life. */
  heartbeatMs: number;
  /** How long a rebalance waits for members; not below the session timeout. */
  rebalanceTimeoutMs: number;
  /** A request that a broker does not answer in this time failed. */
  requestTimeoutMs: number;
  /** A send that is not acknowledged in this time is rejected. */
  deliveryTimeoutMs: number;
  /** Maximum age of metadata: added partitions are noticed within this time. */
  metadataMaxAgeMs: number;
}

export interface KafkaTls {
  ca: string | null;
  certificate: string | null;
  key: string | null;
}

export interface KafkaSasl {
  mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
  user: string;
  password: string;
}

export type KafkaCompression = 'auto' | 'none' | 'gzip' | 'lz4' | 'zstd';

/**
 * How members of a group share the partitions. Both drivers speak the same one, so that they can be members of one group
 * while a deployment changes from one to the other.
 */
export const ASSIGNMENT_STRATEGY = 'roundrobin';

/** The configuration of a topic that Vedette makes. */
export function topicConfiguration(retentionMs: number | undefined): Record<string, string> {
  return {
    'cleanup.policy': 'delete',
    ...(retentionMs === undefined ? {} : { 'retention.ms': String(retentionMs) }),
  };
}

/** Throws VED_DRIVER_UNAVAILABLE when no brokers are given. */
export function kafkaOptions(context: { logger: Logger; kafka?: Omit<KafkaOptions, 'logger'> | null }): KafkaOptions {
  if (context.kafka) return { ...context.kafka, logger: context.logger };
  throw new VedetteError('VED_DRIVER_UNAVAILABLE', 'This driver needs kafka.bootstrap_servers');
}
