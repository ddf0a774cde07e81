import { VedetteError } from '../../errors.ts';
import type { StreamDriver } from '../driver.ts';
import { type KafkaClient, KafkaDriver } from '../kafka/index.ts';
import type { KafkaOptions } from '../kafka/options.ts';
import { RdkafkaAdmin } from './admin.ts';
import { compressionCodec } from './config.ts';
import { RdkafkaConsumer } from './consumer.ts';
import { loadRdkafka } from './module.ts';
import { RdkafkaProducer } from './producer.ts';
import { readRanges } from './reader.ts';

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
  // A compression that is not available here is a mistake in the settings: reported now, not at the first record.
  compressionCodec(module, options);
  const admin = new RdkafkaAdmin(module, options);
  return new KafkaDriver({
    name: 'rdkafka',
    admin,
    createProducer: ({ readers }) => new RdkafkaProducer(module, options, readers),
    createConsumer: (consumer) => new RdkafkaConsumer(module, options, admin, consumer),
    read: (topic, open, signal) => readRanges(module, options, topic, open, signal),
  } satisfies KafkaClient);
}
