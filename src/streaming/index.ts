import type { Logger } from '../core/logger.ts';
import { Registry } from '../core/registry.ts';
import type { Database } from '../postgres/database.ts';
import type { StreamDriver } from './driver.ts';
import { type KafkaOptions, kafkaOptions } from './kafka/options.ts';

/** The parts from which drivers are made. */
export interface StreamDriverContext {
  logger: Logger;
  /** The embedded stream lives in it. */
  database: Database;
  /** How long the embedded stream keeps records. */
  retentionMs?: number;
  /** How to reach Kafka, for the drivers that speak to it. */
  kafka?: Omit<KafkaOptions, 'logger'> | null;
}

export interface StreamDriverEntry {
  readonly name: string;
  /** Loads the driver's code, which no other driver needs, and makes one. Throws VED_DRIVER_UNAVAILABLE. */
  create(context: StreamDriverContext): Promise<StreamDriver>;
}

export const streamDrivers = new Registry<StreamDriverEntry>('stream driver', [
  { name: 'embedded', create: async (context) => (await import('./embedded/index.ts')).createEmbeddedDriver(context) },
  {
    name: 'kafkajs',
    create: async (context) => (await import('./kafkajs/index.ts')).createKafkajsDriver(kafkaOptions(context)),
  },
  {
    name: 'rdkafka',
    create: async (context) => (await import('./rdkafka/index.ts')).createRdkafkaDriver(kafkaOptions(context)),
  },
]);
