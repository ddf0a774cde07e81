import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { type Cluster, openCluster } from '../../scripts/kafka/cluster.ts';
import { kafkaVersion, whyNoKafka } from '../../scripts/kafka/installation.ts';
import { whyNoRdkafka } from '../../src/streaming/rdkafka/index.ts';

export interface TestKafkaOptions {
  brokers?: 1 | 3;
  secure?: boolean;
}

/** Why tests that need a broker of their own cannot run here, or false. For tap's `skip`. */
export function noBroker(): string | false {
  const why = whyNoKafka();
  return why === undefined ? false : `NO REAL KAFKA: ${why}`;
}

/** The same for tests through a driver. */
export function noKafkaFor(driver: 'kafkajs' | 'rdkafka'): string | false {
  return noBroker() || (driver === 'rdkafka' && (whyNoRdkafka() ?? false));
}

/**
 * A real Apache Kafka of the test's own, on free ports of 127.0.0.1. It ends with the test, and with the test's process
 * however that ends.
 */
export async function startKafka(t: Test, { brokers = 1, secure = false }: TestKafkaOptions = {}): Promise<Cluster> {
  const folder = mkdtempSync(join(tmpdir(), 'vedette-kafka-'));
  const cluster = await openCluster({ folder, brokers, secure, heapMb: 256, tied: true });
  t.teardown(async () => {
    for (const broker of cluster.brokers) broker.kill();
    await cluster.stop();
    cluster.remove();
  });
  const started = performance.now();
  await cluster.start();
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  t.comment(`Apache Kafka ${kafkaVersion()}, ${brokers} broker(s), started in ${seconds} s`);
  return cluster;
}
