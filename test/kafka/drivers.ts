import type { Test } from 'tap';
import { silentLogger } from '../../src/core/logger.ts';
import type { StreamDriver } from '../../src/streaming/driver.ts';
import type { KafkaOptions } from '../../src/streaming/kafka/options.ts';
import { createKafkajsDriver } from '../../src/streaming/kafkajs/index.ts';
import { createRdkafkaDriver, whyNoRdkafka } from '../../src/streaming/rdkafka/index.ts';

export type DriverName = 'kafkajs' | 'rdkafka';

/** Both drivers; rdkafka only where its native module was built, and otherwise said loudly. */
export function availableDrivers(): DriverName[] {
  const why = whyNoRdkafka();
  if (why === undefined) return ['kafkajs', 'rdkafka'];
  console.log(`# RDKAFKA IS NOT TESTED: ${why}`);
  return ['kafkajs'];
}

export function kafkaOptions(bootstrapServers: readonly string[], given: Partial<KafkaOptions> = {}): KafkaOptions {
  return {
    bootstrapServers,
    clientId: 'vedette-test',
    tls: null,
    sasl: null,
    compression: 'auto',
    logger: silentLogger,
    sessionTimeoutMs: 3_000,
    heartbeatMs: 500,
    rebalanceTimeoutMs: 10_000,
    requestTimeoutMs: 4_000,
    deliveryTimeoutMs: 10_000,
    metadataMaxAgeMs: 30_000,
    ...given,
  };
}

/** Closed at teardown. */
export async function openDriver(t: Test, name: DriverName, options: KafkaOptions): Promise<StreamDriver> {
  const driver = await (name === 'kafkajs' ? createKafkajsDriver(options) : createRdkafkaDriver(options));
  t.teardown(() => driver.close());
  return driver;
}
