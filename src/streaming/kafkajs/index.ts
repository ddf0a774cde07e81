import type { StreamDriver } from '../driver.ts';
import { type KafkaClient, KafkaDriver } from '../kafka/index.ts';
import type { KafkaOptions } from '../kafka/options.ts';
import { KafkajsAdmin } from './admin.ts';
import { loadKafkajs } from './client.ts';
import { compressionType } from './codecs.ts';
import { KafkajsConsumer } from './consumer.ts';
import { KafkajsProducer } from './producer.ts';
import { readRanges } from './reader.ts';

/** Apache Kafka through kafkajs: pure JavaScript, nothing to compile. Nothing is connected yet. */
export async function createKafkajsDriver(options: KafkaOptions): Promise<StreamDriver> {
  const kafkajs = await loadKafkajs();
  // A compression that is not available here is a mistake in the settings: reported now, not at the first record.
  compressionType(kafkajs, options.compression);
  const admin = new KafkajsAdmin(kafkajs, options);
  return new KafkaDriver({
    name: 'kafkajs',
    admin,
    createProducer: ({ readers }) => new KafkajsProducer(kafkajs, options, readers),
    createConsumer: (consumer) => new KafkajsConsumer(kafkajs, options, admin, consumer),
    read: (topic, open, signal) => readRanges(kafkajs, options, admin, topic, open, signal),
  } satisfies KafkaClient);
}
