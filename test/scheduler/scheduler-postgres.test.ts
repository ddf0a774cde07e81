import { setTimeout as delay } from 'node:timers/promises';
import { type Test, test } from 'tap';
import { systemClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/logger.ts';
import type { Job, StoredJob } from '../../src/jobs/definition.ts';
import type { Probe } from '../../src/monitors/monitor.ts';
import type { Database } from '../../src/postgres/database.ts';
import { createDatabase } from '../../src/postgres/pool.ts';
import { createPublisher } from '../../src/scheduler/publishing/publisher.ts';
import { createScheduler } from '../../src/scheduler/scheduler.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { databaseDefaults, publisherDefaults, schedulerDefaults } from '../helpers/defaults.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';
import { createFaultProxy } from '../helpers/fault-proxy.ts';
import { until } from '../helpers/until.ts';
import { countLog, differences } from './support/counting.ts';
import { goodLink, Log, ProcessClock, type SpanRow } from './support/world.ts';

const PARTITIONS = 2;
const LIMIT_MS = 15_000;

class Jobs {
  readonly #jobs = new Map<number, StoredJob>();
  readonly #watchers = new Set<() => void>();
  #revision = 0;

  set(jobId: number, running = true): void {
    const job: Job = {
      jobId,
      name: `job ${jobId}`,
      description: null,
      type: 'fake',
      periodMs: 250,
      cron: null,
      cronTimezone: null,
      timeoutMs: 150,
      retries: 0,
      retryPauseMs: null,
      locations: ['default'],
      tags: [],
      secrets: [],
      enabled: true,
      topic: null,
      options: { host: 'x' },
    };
    const now = new Date();
    const state = { version: 1, running, source: 'api', createdAt: now, updatedAt: now, deleted: false } as const;
    this.#jobs.set(jobId, { job, ...state, revision: ++this.#revision });
    for (const watcher of this.#watchers) watcher();
  }

  get store() {
    return {
      changedSince: async (revision: number) =>
        [...this.#jobs.values()].filter((job) => job.revision > revision).sort((a, b) => a.revision - b.revision),
      watch: async (onChange: () => void) => {
        this.#watchers.add(onChange);
        return async () => void this.#watchers.delete(onChange);
      },
    };
  }
}

function start(t: Test, { database, jobs, log, name }: { database: Database; jobs: Jobs; log: Log; name: string }) {
  const served: string[] = [];
  const publisher = createPublisher({
    ...publisherDefaults,
    clock: systemClock,
    logger: silentLogger,
    driver: log.driver(new ProcessClock({ ...createFakeClock(), after: systemClock.after }), goodLink),
    partitionsOf: async () => PARTITIONS,
    lingerMs: 5,
  });
  const probe: Probe = async ({ slotTag = '' }) => {
    served.push(slotTag);
    await delay(5);
    return { outcome: 'up', status: '200', responseTime: 0.005, timings: {} };
  };
  const scheduler = createScheduler({
    ...schedulerDefaults,
    clock: systemClock,
    logger: silentLogger,
    database,
    jobStore: jobs.store,
    publisher,
    hostOf: () => 'site.example',
    prepare: () => probe,
    location: 'default',
    instanceId: name,
    topic: 'checks',
    leaseMs: 1500,
    progressMs: 300,
  });
  t.teardown(async () => {
    await scheduler.stop();
    await publisher.close(100);
  });
  return { scheduler, publisher, served, started: scheduler.start() };
}

const openSpans = async (database: Database) =>
  (await database.query('SELECT FROM schedule_spans WHERE to_slot IS NULL')).rowCount;

async function readSpans(database: Database): Promise<SpanRow[]> {
  const { rows } = await database.query<SpanRow>(`
    SELECT job_id AS "jobId", version, period_ms AS "periodMs", phase_ms AS "phaseMs", cron,
      cron_timezone AS "cronTimezone", topic, epoch, from_slot AS "fromSlot", to_slot AS "toSlot",
      slot_count AS "slotCount" FROM schedule_spans`);
  return rows;
}

test('two schedulers on one PostgreSQL: shared, handed over, taken over; each slot counted once', async (t) => {
  const database = await createTestDatabase(t, { poolSize: 10 });
  const jobs = new Jobs();
  const log = new Log();
  for (let jobId = 1; jobId <= 60; jobId++) jobs.set(jobId);
  const a = start(t, { database, jobs, log, name: 'a' });
  await a.started;
  t.equal(a.scheduler.stats().shards, 64);
  await until('checks', async () => a.served.length > 300, LIMIT_MS);
  const b = start(t, { database, jobs, log, name: 'b' });
  await until(
    'the shards',
    async () => b.scheduler.stats().shards === 32 && a.scheduler.stats().shards === 32,
    LIMIT_MS,
  );
  await until('checks', async () => b.served.length > 200, LIMIT_MS);
  await b.scheduler.stop();
  await until('the shards', async () => a.scheduler.stats().shards === 64, LIMIT_MS);

  // One that loses its database for good is a zombie: it goes on checking, and another takes over.
  const { host, port } = new URL(database.connectionString) as { host: string; port: string } & URL;
  const proxy = await createFaultProxy(t, { host: host.split(':')[0], port: Number(port) });
  const throughProxy = new URL(database.connectionString);
  throughProxy.port = String(proxy.port);
  const remote = await createDatabase({
    ...databaseDefaults,
    logger: silentLogger,
    connectionString: throughProxy.href,
  });
  t.teardown(() => remote.close());
  const c = start(t, { database: remote, jobs, log, name: 'c' });
  await until('the shards', async () => c.scheduler.stats().shards === 32, LIMIT_MS);
  await until('checks', async () => c.served.length > 100, LIMIT_MS);
  await proxy.cut();
  await until('the shards', async () => a.scheduler.stats().shards === 64, LIMIT_MS);
  const zombie = c.served.length;
  await until('checks', async () => c.served.length > zombie + 50, LIMIT_MS);
  t.ok(c.scheduler.stats().isolated);
  await proxy.heal();
  await until('the shards', async () => !c.scheduler.stats().isolated && c.scheduler.stats().shards === 32, LIMIT_MS);

  for (let jobId = 1; jobId <= 60; jobId++) jobs.set(jobId, false);
  for (let tries = 0; (await openSpans(database)) > 0 && tries < 100; tries++) await delay(50);
  await Promise.all([a.publisher.flush(), b.publisher.flush(), c.publisher.flush()]);
  const spans = await readSpans(database);
  t.equal(spans.length, 60, 'one span for each job, over all owners');
  t.strictSame(differences(spans, countLog(log)).slice(0, 5), []);
});

test('tables created again under a running scheduler', async (t) => {
  const database = await createTestDatabase(t);
  const jobs = new Jobs();
  const log = new Log();
  jobs.set(1);
  const a = start(t, { database, jobs, log, name: 'a' });
  await until('checks', async () => a.served.length > 3, LIMIT_MS);
  await database.query('TRUNCATE shard_leases, scheduler_members, schedule_spans');
  // Losing all shards may last no longer than a look at them: what is written afterwards stays to be seen.
  await until('a span', async () => (await openSpans(database)) > 0, LIMIT_MS);
  await until(
    'the shards',
    async () => a.scheduler.stats().shards === 64 && a.scheduler.stats().running === 1,
    LIMIT_MS,
  );
  t.equal(await openSpans(database), 1);
});
