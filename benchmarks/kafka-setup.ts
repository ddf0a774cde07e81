import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Cluster, openCluster } from '../scripts/kafka/cluster.ts';
import { silentLogger } from '../src/core/logger.ts';
import type { StreamDriver } from '../src/streaming/driver.ts';
import { createKafkajsDriver } from '../src/streaming/kafkajs/index.ts';
import { createRdkafkaDriver, whyNoRdkafka } from '../src/streaming/rdkafka/index.ts';
import { blocksOf, resultAt } from './results.ts';

export const PARTITIONS = 4;
export const JOBS = 10_000;
const SAMPLE = 20_000;

let alive: NodeJS.Timeout | undefined;

export async function stopBroker(cluster: Cluster): Promise<void> {
  await cluster.stop();
  cluster.remove();
  clearInterval(alive);
}

export async function startBroker(): Promise<Cluster> {
  // Nothing of a driver keeps a process alive; a benchmark has nothing else.
  alive = setInterval(() => undefined, 1_000);
  const folder = mkdtempSync(join(tmpdir(), 'vedette-benchmark-'));
  const cluster = await openCluster({ folder, brokers: 1, secure: false, heapMb: 512, tied: true });
  await cluster.start();
  return cluster;
}

export function driverNames(): Array<'kafkajs' | 'rdkafka'> {
  return whyNoRdkafka() === undefined ? ['kafkajs', 'rdkafka'] : ['kafkajs'];
}

export function openDriver(cluster: Pick<Cluster, 'bootstrapServers'>, name: string): Promise<StreamDriver> {
  const connection = { bootstrapServers: cluster.bootstrapServers, clientId: 'benchmark', tls: null, sasl: null };
  const timeouts = {
    sessionTimeoutMs: 10_000,
    heartbeatMs: 2_000,
    rebalanceTimeoutMs: 60_000,
    requestTimeoutMs: 10_000,
    deliveryTimeoutMs: 30_000,
    metadataMaxAgeMs: 30_000,
  };
  const options = { ...connection, ...timeouts, compression: 'auto' as const, logger: silentLogger };
  return name === 'rdkafka' ? createRdkafkaDriver(options) : createKafkajsDriver(options);
}

/** A topic with results of 10,000 jobs, `perRecord` lines in a record. Returns how many records it has. */
export async function fill(driver: StreamDriver, topic: string, results: number, perRecord: number): Promise<number> {
  await driver.ensureTopics([{ topic, partitions: PARTITIONS }], { create: true });
  const producer = await driver.createProducer();
  let records = 0;
  for (let at = 0; at < results; at += SAMPLE) {
    const sample = Array.from({ length: SAMPLE }, (_, n) => resultAt(at + n, JOBS));
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const own = sample.filter(({ jobId }) => jobId % PARTITIONS === partition);
      const values = blocksOf(own, perRecord);
      records += values.length;
      await producer.send(values.map((value) => ({ topic, partition, value })));
    }
  }
  await producer.close();
  return records;
}
