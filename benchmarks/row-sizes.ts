// The inputs of `vedette plan`: bytes on disk of each table and of the stream, and what PostgreSQL writes and spends,
// after a day of checks, one a minute, went through a processor into a PostgreSQL with its usual settings. Set KAFKA=no to leave Kafka out.
// Usage: npx tsx benchmarks/row-sizes.ts [jobs] [hours]
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../src/core/logger.ts';
import type { Database } from '../src/postgres/database.ts';
import { serversOf } from '../src/postgres/embedded/process-identity.ts';
import { startEmbeddedPostgres } from '../src/postgres/embedded/server.ts';
import { migrate } from '../src/postgres/migrate.ts';
import { createDatabase } from '../src/postgres/pool.ts';
import type { StreamDriver } from '../src/streaming/driver.ts';
import { createEmbeddedDriver } from '../src/streaming/embedded/index.ts';
import { databaseDefaults } from '../test/helpers/defaults.ts';
import { blocksByPartition, type Filling, fillDatabase, roundOf, sizeOf } from '../test/helpers/filled-database.ts';
import { openDriver, startBroker, stopBroker } from './kafka-setup.ts';
import { report, round } from './machine.ts';

const JOBS = Number(process.argv[2] ?? 500);
const HOURS = Number(process.argv[3] ?? 24);
const CHECKS: Filling = { jobs: JOBS, periodMs: 60_000, durationMs: HOURS * 3_600_000 };
/** For what is not part of the day. */
const BEFORE = Date.UTC(2026, 4, 1);
const BLOCK_LINES = [1, 10, 100, 1_000];

const folder = await mkdtemp(join(tmpdir(), 'vedette-row-sizes-'));
const server = await startEmbeddedPostgres({ dataDir: folder, logger: silentLogger });
// A day is to pass in minutes: only waiting for the disk is left out, what is written and spent stays.
const eager = await createDatabase({
  ...databaseDefaults,
  connectionString: server.connectionString,
  logger: silentLogger,
});
await eager.query(`ALTER DATABASE ${eager.databaseName} SET synchronous_commit = off`);
await eager.close();
const database = await createDatabase({
  ...databaseDefaults,
  connectionString: server.connectionString,
  logger: silentLogger,
});
try {
  await migrate(database);
  const memory = await processorMemory();
  const counted = await checks();
  report('row-sizes', {
    jobs: JOBS,
    hours: HOURS,
    ...counted,
    processor_memory_bytes_per_series: memory,
    embedded_stream_bytes_per_result: await embeddedStream(),
    embedded_stream_postgres_cpu_micros_per_send: await embeddedSend(),
    kafka_bytes_per_result: process.env.KAFKA === 'no' ? null : await kafka(),
    job: await jobRows(),
  });
} finally {
  await database.close();
  await server.stop();
  await rm(folder, { recursive: true, force: true });
}

/** Growth of the process when it first counts a result of each of many series. */
async function processorMemory(): Promise<number> {
  const jobs = 50_000;
  await fillDatabase(database, { ...CHECKS, jobs: 500, durationMs: 60_000, fromMs: BEFORE });
  const before = process.memoryUsage.rss();
  await fillDatabase(database, { ...CHECKS, jobs, durationMs: 60_000, fromMs: BEFORE + 3_600_000 });
  const grown = process.memoryUsage.rss() - before;
  await database.query('TRUNCATE metrics, results, series_progress, stream_offsets');
  return round(grown / jobs, 0);
}

async function checks(): Promise<object> {
  const own = process.cpuUsage();
  const before = { wal: await walBytes(), cpu: await serverCpuMicros() };
  const results = await fillDatabase(database, { ...CHECKS, afterRound: vacuum });
  const { user, system } = process.cpuUsage(own);
  const after = { wal: await walBytes(), cpu: await serverCpuMicros() };
  return {
    results,
    metrics_bytes_per_row: {
      minute: await bytesPerRow('metrics_minute'),
      hour: await bytesPerRow('metrics_hour'),
      day: await bytesPerRow('metrics_day'),
    },
    raw_result_bytes_per_row: await bytesPerRow('results'),
    series_bytes_per_row: await bytesPerRow('series_progress'),
    wal_bytes_per_result: round((after.wal - before.wal) / results, 0),
    postgres_cpu_micros_per_result: round((after.cpu - before.cpu) / results),
    processor_cpu_micros_per_result: round((user + system) / results),
  };
}

/** The minutes that autovacuum waits between its rounds pass here in less than a second. */
async function vacuum(round: number): Promise<void> {
  if (round % 5 === 4) await database.query('VACUUM metrics, series_progress, stream_offsets');
}

/** By how many results a record holds. */
async function embeddedStream(): Promise<Record<number, number>> {
  const driver = createEmbeddedDriver({ database, logger: silentLogger });
  const sizes: Record<number, number> = {};
  for (const lines of BLOCK_LINES) {
    await database.query('TRUNCATE stream_records');
    const results = await append(driver, 'sizes', lines);
    sizes[lines] = round((await sizeOf(database, 'stream_records')).bytes / results, 0);
  }
  await driver.close();
  return sizes;
}

/** Cost in PostgreSQL of appending and reading a block, one block at a time. */
async function embeddedSend(): Promise<number> {
  const driver = createEmbeddedDriver({ database, logger: silentLogger });
  await driver.ensureTopics([{ topic: 'sends', partitions: 1 }], { create: true });
  let read = 0;
  const handler = {
    onAssigned: async () => [null],
    onRevoked: () => undefined,
    onBatch: async ({ records }: { records: readonly unknown[] }) => {
      read += records.length;
    },
    onError: () => undefined,
  };
  await driver.createConsumer({ group: 'sends', topics: ['sends'], handler });
  const producer = await driver.createProducer();
  const sends = 1_000;
  const value = blocksByPartition(roundOf({ jobs: 10, periodMs: 60_000, durationMs: 0 }, 0), 1).get(0) as Buffer;
  const before = await serverCpuMicros();
  for (let n = 0; n < sends; n++) await producer.send([{ topic: 'sends', partition: 0, value }]);
  while (read < sends) await new Promise((resolve) => setTimeout(resolve, 10));
  const spent = (await serverCpuMicros()) - before;
  await driver.close();
  return round(spent / sends);
}

async function kafka(): Promise<Record<number, number>> {
  const cluster = await startBroker();
  const driver = await openDriver(cluster, 'kafkajs');
  const sizes: Record<number, number> = {};
  for (const lines of BLOCK_LINES) {
    const topic = `sizes-${lines}`;
    const results = await append(driver, topic, lines);
    sizes[lines] = round(logBytes(cluster.folder, topic) / results, 0);
  }
  await driver.close();
  await stopBroker(cluster);
  return sizes;
}

/** Sends many records of that many lines each, one at a time as a publisher does; returns how many results. */
async function append(driver: StreamDriver, topic: string, lines: number): Promise<number> {
  await driver.ensureTopics([{ topic, partitions: 1 }], { create: true });
  const producer = await driver.createProducer();
  const records = Math.max(50, Math.ceil(3_000 / lines));
  const filling = { jobs: lines, periodMs: 60_000, durationMs: 0 };
  for (let n = 0; n < records; n++) {
    const value = blocksByPartition(roundOf(filling, n), 1).get(0) as Buffer;
    const headers = { 'content-type': 'application/x-ndjson', schema: 'vedette.check-result.v1' };
    await producer.send([{ topic, partition: 0, value, headers }]);
  }
  await producer.close();
  return records * lines;
}

/** A definition, its first version, and its span. */
async function jobRows(): Promise<{ bytes_per_row: number }> {
  const sizes = async () => {
    const all = await Promise.all(['jobs', 'job_versions', 'schedule_spans'].map((table) => sizeOf(database, table)));
    return all.reduce((sum, { bytes }) => sum + bytes, 0);
  };
  const count = 10_000;
  const before = await sizes();
  const definition = {
    job_name: 'a page of the shop that people look at',
    uri: 'https://shop.example.com/articles/a-page-with-a-usual-address?from=search',
    check_period_seconds: 60,
    expected_status: '200',
    pattern: 'in stock',
    tags: ['shop', 'production'],
  };
  await database.query(
    `WITH made AS (
       INSERT INTO jobs (job_id, definition, version, running, source, revision)
       SELECT n, $2, 1, true, 'api', n FROM generate_series(1, $1::integer) n RETURNING job_id, definition
     ), versions AS (INSERT INTO job_versions (job_id, version, definition) SELECT job_id, 1, definition FROM made)
     INSERT INTO schedule_spans (job_id, location, version, period_ms, phase_ms, topic, epoch, from_slot)
     SELECT job_id, 'default', 1, 60000, job_id % 60000, 'checks', 1, 1780000000000 + job_id FROM made`,
    [count, JSON.stringify(definition)],
  );
  return { bytes_per_row: round(((await sizes()) - before) / count, 0) };
}

async function bytesPerRow(table: string): Promise<number> {
  const { bytes, rows } = await sizeOf(database, table);
  return round(bytes / rows, 0);
}

async function walBytes(): Promise<number> {
  const { rows } = await (database as Database).query<{ bytes: number }>(
    `SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint AS bytes`,
  );
  return rows[0]?.bytes ?? 0;
}

/** User and system time of all processes of the server, also of those that ended. */
async function serverCpuMicros(): Promise<number> {
  const pids = await serversOf(join(folder, 'postgres'));
  const ticks = pids.map((pid) => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    const own = (fields[11] as number) + (fields[12] as number);
    // CPU time of its children that ended: of the first process alone, or it would be added twice.
    return pid === server.pid() ? own + (fields[13] as number) + (fields[14] as number) : own;
  });
  // A tick is a hundredth of a second.
  return ticks.reduce((sum, count) => sum + count, 0) * 10_000;
}

/** Bytes in use in the files of a topic's log; the rest of them is only reserved. */
function logBytes(parent: string, topic: string): number {
  const files = readdirSync(parent, { recursive: true, encoding: 'utf8' });
  const segments = files.filter((file) => file.includes(`${topic}-0`) && file.endsWith('.log'));
  return segments.reduce((sum, file) => sum + statSync(join(parent, file)).size, 0);
}
