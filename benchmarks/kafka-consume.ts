// Reading results from a real Kafka. In one run, on one broker: a plain kafkajs consumer of one JSON per record, the drivers
// alone, the processor behind them down to committed rows (in a process of its own, whose memory is nothing else's), and
// librdkafka's own C consumer that does nothing. All from the first record to the last. DRIVER=kafkajs (or rdkafka) runs
// only that one.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import type { Cluster } from '../scripts/kafka/cluster.ts';
import { oneModule } from '../scripts/one-module.mjs';
import { systemClock } from '../src/core/clock.ts';
import { silentLogger } from '../src/core/logger.ts';
import { createProcessor } from '../src/processor/processor.ts';
import type { ConsumerHandler } from '../src/streaming/driver.ts';
import { loadKafkajs } from '../src/streaming/kafkajs/client.ts';
import { createTestDatabase } from '../test/helpers/database.ts';
import { processorDefaults } from '../test/helpers/defaults.ts';
import { driverNames, fill, JOBS, openDriver, PARTITIONS, startBroker, stopBroker } from './kafka-setup.ts';
import { report, round } from './machine.ts';

const BLOCK = 1_000;
const RESULTS = Number(process.env.RESULTS ?? 3_000_000);
const SINGLES = Number(process.env.SINGLES ?? 200_000);
const root = join(import.meta.dirname, '..');
/** Tells the process that only counts what it is for. */
const PROCESSOR = 'processor';

interface Speed {
  results_per_second: number;
  cpu_ns_per_result: number;
}

async function timed(results: number, work: () => Promise<void>): Promise<Speed> {
  const cpu = process.cpuUsage();
  const from = performance.now();
  await work();
  const seconds = (performance.now() - from) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return {
    results_per_second: Math.round(results / seconds),
    cpu_ns_per_result: round(((user + system) * 1000) / results),
  };
}

/** The obvious consumer: eachBatch, JSON.parse, a map of counters. From the first record to the last one. */
async function plainConsumer(cluster: Cluster, topic: string): Promise<Speed> {
  // The topic is compressed with lz4, which kafkajs learns from the driver's module.
  await loadKafkajs();
  const consumer = new Kafka({ brokers: cluster.bootstrapServers, logLevel: logLevel.NOTHING }).consumer({
    groupId: `plain-${topic}`,
  });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const jobs = new Map<number, { count: number; min: number; max: number; data: Record<string, number> }>();
  let seen = 0;
  let begun: () => void = () => undefined;
  let done: () => void = () => undefined;
  const first = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const last = new Promise<void>((resolve) => {
    done = resolve;
  });
  await consumer.run({
    eachBatch: async ({ batch }) => {
      begun();
      for (const { value } of batch.messages) {
        const result = JSON.parse(String(value)) as { job_id: number; response_time: number; status: string };
        let job = jobs.get(result.job_id);
        if (!job) {
          job = { count: 0, min: Number.POSITIVE_INFINITY, max: 0, data: {} };
          jobs.set(result.job_id, job);
        }
        job.count++;
        job.min = Math.min(job.min, result.response_time);
        job.max = Math.max(job.max, result.response_time);
        job.data[result.status] = (job.data[result.status] ?? 0) + 1;
      }
      seen += batch.messages.length;
      if (seen >= SINGLES) done();
    },
  });
  await first;
  const speed = await timed(SINGLES, () => last);
  await consumer.disconnect();
  return speed;
}

/** A driver whose handler throws everything away: what the client library costs. */
async function driverAlone(
  cluster: Cluster,
  name: string,
  topic: string,
  records: number,
  results: number,
): Promise<Speed> {
  const driver = await openDriver(cluster, name);
  let begun: () => void = () => undefined;
  let done: () => void = () => undefined;
  const first = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const last = new Promise<void>((resolve) => {
    done = resolve;
  });
  let seen = 0;
  const handler: ConsumerHandler = {
    onAssigned: async (partitions) => partitions.map(() => null),
    onRevoked: () => undefined,
    onError: () => undefined,
    onBatch: async (batch) => {
      begun();
      seen += batch.records.length;
      if (seen >= records) done();
    },
  };
  await driver.createConsumer({ group: `alone-${name}-${topic}`, topics: [topic], handler });
  await first;
  const speed = await timed(results, () => last);
  await driver.close();
  return speed;
}

/** Topic to committed rows, exactly once, in a process of its own. */
async function throughProcessor(
  cluster: Cluster,
  ...what: [name: string, topic: string, results: number, store: 'all' | 'none']
): Promise<Speed> {
  // Bundled, as the product is: what loads TypeScript takes memory of its own.
  const file = join(root, 'benchmarks', `.kafka-consume-${process.pid}.mjs`);
  try {
    writeFileSync(file, await oneModule(join(root, 'benchmarks/kafka-consume.ts')));
    const parameters = [PROCESSOR, cluster.bootstrapServers.join(','), ...what.map(String)];
    const output = execFileSync(process.execPath, [file, ...parameters], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    return JSON.parse(output) as Speed;
  } finally {
    rmSync(file, { force: true });
  }
}

/** The body of that process. */
async function processOnly(
  servers: string,
  name: string,
  topic: string,
  results: number,
  store: 'all' | 'none',
): Promise<object> {
  const teardowns: Array<() => unknown> = [];
  const database = await createTestDatabase({ teardown: (undo: () => unknown) => void teardowns.unshift(undo) });
  const driver = await openDriver({ bootstrapServers: servers.split(',') }, name);
  const base = { database, driver, logger: silentLogger, clock: systemClock, topics: [topic] };
  const processor = createProcessor({
    ...processorDefaults,
    ...base,
    resultsStore: store,
    group: `counted-${topic}-${name}-${store}`,
    instanceId: name,
  });
  const rssBefore = process.memoryUsage.rss();
  let rss = 0;
  const pause = () => new Promise((resolve) => setTimeout(resolve, 2));
  await processor.start();
  while (processor.stats().lag === 0) await pause();
  const speed = await timed(results, async () => {
    while (processor.stats().results < results) {
      await pause();
      rss = Math.max(rss, process.memoryUsage.rss());
      if (processor.stats().lag === 0) await processor.flush();
    }
  });
  const { flushes, totalFlushMs } = processor.stats();
  await processor.stop();
  await driver.close();
  for (const undo of teardowns) await undo();
  const mb = (bytes: number) => Math.round(bytes / 2 ** 20);
  const memory = { rss_mb: mb(rss), rss_mb_before: mb(rssBefore) };
  return { ...speed, flushes, mean_flush_ms: round(totalFlushMs / flushes), ...memory };
}

/**
 * librdkafka's `rdkafka_performance -C`, compiled from the sources that node-rdkafka brings. One partition after the other,
 * each with a start of the program and a connection of its own: a lower bound.
 */
function nativeConsumer(cluster: Cluster, topic: string, records: number): Pick<Speed, 'results_per_second'> | null {
  const sources = join(root, 'node_modules/node-rdkafka/deps/librdkafka');
  const library = join(root, 'node_modules/node-rdkafka/build/deps');
  if (!existsSync(join(library, 'librdkafka.so.1'))) return null;
  const folder = mkdtempSync(join(tmpdir(), 'vedette-native-'));
  try {
    const program = join(folder, 'rdkafka_performance');
    // Its headers want what the build of the library left, which is gone when that came from the cache.
    if (!existsSync(join(sources, 'config.h'))) execFileSync('./configure', { cwd: sources, stdio: 'pipe' });
    const input = ['-O2', '-w', '-I', join(sources, 'src'), join(sources, 'examples/rdkafka_performance.c')];
    const link = [join(library, 'librdkafka.so.1'), `-Wl,-rpath,${library}`, '-lm', '-lpthread', '-lz'];
    execFileSync('gcc', [...input, ...link, '-o', program], { stdio: 'pipe' });
    const group = [
      '-b',
      cluster.bootstrapServers.join(','),
      '-t',
      topic,
      '-c',
      String(Math.floor(records / PARTITIONS)),
    ];
    const from = performance.now();
    for (let partition = 0; partition < PARTITIONS; partition++) {
      execFileSync(
        program,
        ['-C', ...group, '-p', String(partition), '-o', 'beginning', '-X', 'fetch.queue.backoff.ms=2'],
        {
          stdio: 'pipe',
        },
      );
    }
    const seconds = (performance.now() - from) / 1000;
    return { results_per_second: Math.round(RESULTS / seconds) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function compare(): Promise<void> {
  const cluster = await startBroker();
  try {
    const names = driverNames().filter((name) => [undefined, name].includes(process.env.DRIVER as typeof name));
    const writer = await openDriver(cluster, driverNames().at(-1)!);
    await fill(writer, 'singles', SINGLES, 1);
    const records = await fill(writer, 'blocks', RESULTS, BLOCK);
    await writer.close();
    const plain = await plainConsumer(cluster, 'singles');
    const drivers: Record<string, object> = {};
    const ratio = (speed: { results_per_second: number }) => round(speed.results_per_second / plain.results_per_second);
    for (const name of names) {
      const alone = await driverAlone(cluster, name, 'blocks', records, RESULTS);
      const aloneSingles = await driverAlone(cluster, name, 'singles', SINGLES, SINGLES);
      const blocks = await throughProcessor(cluster, name, 'blocks', RESULTS, 'none');
      const singles = await throughProcessor(cluster, name, 'singles', SINGLES, 'none');
      const stored = await throughProcessor(cluster, name, 'blocks', RESULTS, 'all');
      drivers[name] = {
        alone,
        single_records_alone: aloneSingles,
        blocks_to_committed_rows: blocks,
        single_records_to_committed_rows: singles,
        // Each result is a row of its own then, and PostgreSQL the limit.
        blocks_to_committed_rows_and_raw_results: stored,
        ratio_to_plain_consumer: {
          alone: ratio(alone),
          single_records_alone: ratio(aloneSingles),
          blocks: ratio(blocks),
          single_records: ratio(singles),
        },
      };
    }
    const native = nativeConsumer(cluster, 'blocks', records);
    report('kafka-consume', {
      jobs: JOBS,
      partitions: PARTITIONS,
      results_in_blocks: RESULTS,
      results_in_single_records: SINGLES,
      targets: { blocks: 40, single_records: 3 },
      plain_kafkajs_consumer: plain,
      drivers,
      rdkafka_performance: native,
    });
  } finally {
    await stopBroker(cluster);
  }
}

const [role, servers, name, topic, results, store] = process.argv.slice(2);
if (role === PROCESSOR) {
  console.log(JSON.stringify(await processOnly(servers, name, topic, Number(results), store as 'all' | 'none')));
  process.exit();
}
await compare();
