// Publishing results to a real Kafka: blocks through the drivers against one awaited kafkajs send per result.
import { Kafka, logLevel, Partitioners } from 'kafkajs';
import { encodeResult } from '../src/messages/encode.ts';
import { driverNames, JOBS, openDriver, PARTITIONS, startBroker, stopBroker } from './kafka-setup.ts';
import { report, round } from './machine.ts';
import { resultAt } from './results.ts';

const BLOCK = 1_000;
const RESULTS = Number(process.env.RESULTS ?? 500_000);
const AWAITED = Number(process.env.AWAITED ?? 3_000);
const LATENCIES = 300;

const cpuNanos = (from: NodeJS.CpuUsage, units: number) => {
  const { user, system } = process.cpuUsage(from);
  return round(((user + system) * 1000) / units);
};
const lineAt = (n: number) => `${encodeResult(resultAt(n, JOBS))}\n`;

async function awaited(bootstrapServers: string[]): Promise<{ cpu_ns_per_result: number; results_per_second: number }> {
  const producer = new Kafka({ brokers: bootstrapServers, logLevel: logLevel.NOTHING }).producer({
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  await producer.connect();
  const send = (n: number) =>
    producer.send({ topic: 'awaited', acks: -1, messages: [{ partition: n % PARTITIONS, value: lineAt(n) }] });
  for (let n = 0; n < 200; n++) await send(n);
  const cpu = process.cpuUsage();
  const from = performance.now();
  for (let n = 0; n < AWAITED; n++) await send(n);
  const seconds = (performance.now() - from) / 1000;
  const result = { cpu_ns_per_result: cpuNanos(cpu, AWAITED), results_per_second: Math.round(AWAITED / seconds) };
  await producer.disconnect();
  return result;
}

async function blocks(name: string): Promise<{ cpu_ns_per_result: number }> {
  const driver = await openDriver(cluster, name);
  const producer = await driver.createProducer();
  let next = 0;
  const send = async (count: number) => {
    for (let end = next + count; next < end; ) {
      const records = Array.from({ length: PARTITIONS }, (_, partition) => {
        let text = '';
        for (let n = 0; n < BLOCK; n++) text += lineAt(next++);
        return { topic: 'blocks', partition, value: Buffer.from(text) };
      });
      await producer.send(records);
    }
  };
  await send(40_000);
  const cpu = process.cpuUsage();
  const from = performance.now();
  await send(RESULTS);
  const seconds = (performance.now() - from) / 1000;
  const spent = cpuNanos(cpu, RESULTS);
  // From the call of send to the handler of a consumer that waits, one record at a time.
  const arrived = new Map<number, () => void>();
  const handler = {
    onAssigned: async (partitions: readonly object[]) => partitions.map(() => null),
    onRevoked: () => undefined,
    onError: () => undefined,
    onBatch: async ({ records }: { records: Array<{ value: Buffer }> }) => {
      for (const { value } of records) arrived.get(Number(value))?.();
    },
  };
  await driver.createConsumer({ group: `latency-${name}`, topics: [`latency-${name}`], handler });
  const latencies: number[] = [];
  for (let n = 0; n < LATENCIES + 20; n++) {
    const sent = performance.now();
    const done = new Promise<void>((resolve) => arrived.set(n, resolve));
    await producer.send([{ topic: `latency-${name}`, partition: 0, value: Buffer.from(String(n)) }]);
    await done;
    if (n >= 20) latencies.push(performance.now() - sent);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 20));
  }
  await driver.close();
  latencies.sort((a, b) => a - b);
  const at = (share: number) => round(latencies[Math.ceil(share * latencies.length) - 1]);
  const latency = { p50: at(0.5), p99: at(0.99), max: at(1) };
  return Object.assign(
    { cpu_ns_per_result: spent },
    { results_per_second: Math.round(RESULTS / seconds), send_to_handler_ms: latency },
  );
}

let sum = 0;
const encoding = process.cpuUsage();
for (let n = 0; n < 200_000; n++) sum += lineAt(n).length;
const encodeNanos = cpuNanos(encoding, 200_000);

const cluster = await startBroker();
try {
  const names = driverNames();
  const admin = await openDriver(cluster, 'kafkajs');
  const topics = ['awaited', 'blocks', ...names.map((name) => `latency-${name}`)];
  await admin.ensureTopics(
    topics.map((topic) => ({ topic, partitions: topic.startsWith('latency') ? 1 : PARTITIONS })),
    { create: true },
  );
  await admin.close();
  const single = await awaited(cluster.bootstrapServers);
  const drivers: Record<string, object> = {};
  for (const name of names) {
    const measured = await blocks(name);
    drivers[name] = { ...measured, times_less_cpu: round(single.cpu_ns_per_result / measured.cpu_ns_per_result) };
  }
  report('kafka-publish', {
    targets: { times_less_cpu: 100, p99_ms: 100 },
    awaited_kafkajs_send_per_result: single,
    making_and_encoding_a_result: { cpu_ns: encodeNanos, bytes: round(sum / 200_000) },
    drivers,
  });
} finally {
  await stopBroker(cluster);
}
