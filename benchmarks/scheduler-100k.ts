// 100,000 HTTP jobs of a 60 s period in one process, against a local target over many loopback addresses: is a slot
// missed for reasons of ours, how late do checks begin, what do they cost? PostgreSQL and the target run beside it.
// Usage: npx tsx benchmarks/scheduler-100k.ts [minutes] [jobs]
import { type ChildProcess, fork } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../src/core/clock.ts';
import { growHeapSparingly } from '../src/core/heap.ts';
import { createLogger } from '../src/core/logger.ts';
import { createJobStore } from '../src/jobs/postgres-store.ts';
import { createJobRules } from '../src/jobs/rules.ts';
import { monitors } from '../src/monitors/index.ts';
import { createGate } from '../src/monitors/net/gate.ts';
import type { Database } from '../src/postgres/database.ts';
import { createDatabase } from '../src/postgres/pool.ts';
import { createPublisher } from '../src/scheduler/publishing/publisher.ts';
import { createScheduler, type SchedulerStats } from '../src/scheduler/scheduler.ts';
import { createEmbeddedDriver } from '../src/streaming/embedded/index.ts';
import { createTestDatabaseUrl } from '../test/helpers/database.ts';
import { databaseDefaults, publisherDefaults, schedulerDefaults } from '../test/helpers/defaults.ts';
import { report, round } from './machine.ts';

const logger = createLogger({ level: 'warn', fd: 2 });
const PERIOD_SECONDS = 60;
const PARTITIONS = 12;
const TARGET_RSS_MB = 512;

interface Measurement {
  stats: SchedulerStats;
  startMs: number;
  published: number;
  peakRssMb: number;
  rssMb: number;
  cpuPercent: number;
}

const [first, ...rest] = process.argv.slice(2);
if (first === 'target') serveTarget();
else if (first === 'scheduler') await schedule(rest[0], Number(rest[1]), Number(rest[2]));
else await runAll(Number(first ?? 2), Number(rest[0] ?? 100_000));

async function runAll(minutes: number, jobs: number): Promise<void> {
  const teardowns: Array<() => unknown> = [];
  const url = await createTestDatabaseUrl({ teardown: (step: () => unknown) => void teardowns.push(step) } as never);
  const target = fork(fileURLToPath(import.meta.url), ['target'], { execArgv: ['--import=tsx'] });
  try {
    const { port } = await message<{ port: number }>(target);
    const database = await createDatabase({ ...databaseDefaults, logger, connectionString: url, poolSize: 2 });
    await insertJobs(database, jobs, port);
    await database.close();
    const scheduler = fork(fileURLToPath(import.meta.url), ['scheduler', url, String(minutes), String(jobs)], {
      execArgv: ['--import=tsx'],
    });
    const measured = await message<Measurement>(scheduler);
    target.send('count');
    const { served } = await message<{ served: number }>(target);
    print(minutes, jobs, measured, served);
  } finally {
    target.kill();
    for (const step of teardowns.reverse()) await step();
  }
}

function print(minutes: number, jobs: number, measured: Measurement, served: number): void {
  const { stats } = measured;
  const { overload, late, stopped, scheduler_down } = stats.missed;
  const { recent, maxMs, boundsMs, counts } = stats.lateness;
  report('scheduler-100k', {
    jobs,
    period_seconds: PERIOD_SECONDS,
    minutes,
    checks: stats.checks,
    served_by_target: served,
    published: measured.published,
    missed: { overload, late, stopped, scheduler_down },
    seconds_until_all_jobs_run: round(measured.startMs / 1000),
    lateness_ms: { ...recent, max_since_start: round(maxMs) },
    lateness_histogram: { bounds_ms: boundsMs, counts },
    event_loop_stalls: { ...stats.stalls, totalMs: round(stats.stalls.totalMs), maxMs: round(stats.stalls.maxMs) },
    cpu_percent: round(measured.cpuPercent),
    rss_mb: { peak: round(measured.peakRssMb), at_end: round(measured.rssMb) },
    target: {
      rss_mb: TARGET_RSS_MB,
      met: measured.peakRssMb <= TARGET_RSS_MB && overload + late + scheduler_down === 0 && stats.checks > 0,
    },
  });
}

/** Answers every request with 200 as cheaply as can be, on every loopback address. */
function serveTarget(): void {
  const answer = Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok');
  let served = 0;
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => {
      served++;
      socket.end(answer);
    });
  });
  server.listen({ host: '0.0.0.0', port: 0, backlog: 4096 }, () => {
    process.send?.({ port: (server.address() as { port: number }).port });
  });
  process.on('message', () => process.send?.({ served }));
  process.on('disconnect', () => process.exit(0));
}

async function insertJobs(database: Database, jobs: number, port: number): Promise<void> {
  await database.query(
    `INSERT INTO jobs (job_id, definition, version, running, source, revision)
     SELECT id, jsonb_build_object('job_id', id, 'job_name', 'load ' || id, 'check_period_seconds', $2::integer, 'uri',
       format('http://127.%s.%s.%s:%s/', 1 + id % 50, id / 250 % 250, 1 + id % 250, $3::text)), 1, true, 'api', 1
     FROM generate_series(1, $1) AS id`,
    [jobs, PERIOD_SECONDS, port],
  );
  await database.query('UPDATE job_revision SET value = 1');
}

async function schedule(connectionString: string, minutes: number, jobs: number): Promise<void> {
  growHeapSparingly();
  const database = await createDatabase({ ...databaseDefaults, logger, connectionString });
  const driver = createEmbeddedDriver({ database, logger });
  const partitionsOf = async (topic: string) =>
    (await driver.ensureTopics([{ topic, partitions: PARTITIONS }], { create: true })).get(topic) as number;
  const context = { gate: createGate({ mode: 'off' }), userAgent: 'vedette benchmark' };
  const rules = createJobRules({ monitors, context, cronProblem: () => null });
  const publisher = createPublisher({ ...publisherDefaults, driver, clock: systemClock, logger, partitionsOf });
  const scheduler = createScheduler({
    ...schedulerDefaults,
    clock: systemClock,
    logger,
    database,
    jobStore: createJobStore({ database, clock: systemClock, toJob: rules.toJob, redact: rules.redact }),
    hostOf: ({ options }) => new URL(String(options.uri)).hostname,
    prepare: rules.prepare,
    publisher,
    location: 'default',
    instanceId: 'benchmark',
    topic: 'checks',
  });
  let peakRssMb = 0;
  setInterval(() => {
    peakRssMb = Math.max(peakRssMb, process.memoryUsage.rss() / 2 ** 20);
  }, 200).unref();
  const startedAt = performance.now();
  await scheduler.start();
  while (scheduler.stats().running < jobs) await wait(100);
  const startMs = performance.now() - startedAt;
  const cpu = process.cpuUsage();
  const measuredFrom = performance.now();
  await wait(minutes * 60_000);
  const { user, system } = process.cpuUsage(cpu);
  const cpuPercent = (user + system) / 10 / (performance.now() - measuredFrom);
  const stats = scheduler.stats();
  await scheduler.stop();
  const { published } = publisher.stats();
  const rssMb = process.memoryUsage.rss() / 2 ** 20;
  process.send?.({ stats, startMs, published, peakRssMb, rssMb, cpuPercent } satisfies Measurement);
  await publisher.close();
  await driver.close();
  await database.close();
  process.disconnect?.();
}

function message<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    child.once('message', (value) => resolve(value as T));
    child.once('exit', (code) => reject(new Error(`The child process ended with ${code}`)));
  });
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
