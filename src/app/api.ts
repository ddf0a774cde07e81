import type { AddressInfo } from 'node:net';
import type { ApiDependencies, InstanceStats, ReadinessCheck, SchedulerPort } from '../api/ports.ts';
import { createServer } from '../api/server.ts';
import { readLiveInstances } from '../installation/instances.ts';
import { reset } from '../installation/reset.ts';
import { problemsOf } from '../lag/lag-watch.ts';
import { migrate } from '../postgres/migrate.ts';
import { countCronSlots } from '../scheduler/slots.ts';
import { createCheckRunner } from './check-runner.ts';
import type { Counting } from './counting.ts';
import type { Foundation, Roles, Scheduling } from './foundation.ts';
import { createProducedTotal } from './produced.ts';
import { listeningOn } from './self-address.ts';

export interface Api {
  /** Answers the address. */
  listen(): Promise<string>;
}

/** Begins to build the server of the role `api`, or without it that of the probes alone. */
export function createApi(foundation: Foundation, roles: Roles): Api {
  const { host, port } = foundation.settings.server;
  const building = createServer(apiDependencies(foundation, roles));
  building.catch(() => undefined); // Thrown by listen().
  foundation.lifecycle.defer(async () => (await building.catch(() => null))?.close());
  return {
    async listen() {
      const server = await building;
      await server.listen({ host, port });
      const { address, family, port: actual } = server.server.address() as AddressInfo;
      if (foundation.settings.roles.includes('api')) foundation.jobs.self.listening = listeningOn(address, actual);
      return `http://${family === 'IPv6' ? `[${address}]` : address}:${actual}`;
    },
  };
}

function apiDependencies(foundation: Foundation, roles: Roles): ApiDependencies {
  const { settings, database, driver, logger, clock, jobs } = foundation;
  const { server } = settings;
  const loopback = !settings.isPublic;
  const check = createCheckRunner(jobs.rules.prepare, clock);
  return {
    instanceId: foundation.instanceId,
    version: foundation.version,
    logger,
    clock,
    options: {
      loopback,
      probesOnly: !settings.roles.includes('api'),
      auth: { required: loopback && server.apiKeys.length === 0 ? 'nothing' : 'changes', keys: server.apiKeys },
      rateLimitPerMinute: server.rateLimitPerMinute,
      bodyLimitBytes: server.bodyLimitBytes,
      requestTimeoutMs: server.requestTimeoutMs,
      allowReset: server.allowReset,
      trustProxy: server.trustProxy,
      allowedHosts: server.allowedHosts,
    },
    database,
    databaseAdmin: {
      migrate: () => migrate(database, { logger }),
      async reset() {
        const applied = await reset(database, { logger });
        await foundation.jobFile?.applyAgain();
        return applied;
      },
    },
    jobStore: jobs.store,
    jobRules: jobs.rules,
    checks: (stored, signal) => check(stored.job, signal),
    scheduler: roles.scheduling ? schedulerPort(roles.scheduling) : null,
    processor: roles.counting ? { stats: processorStats(roles.counting) } : null,
    roles: settings.roles,
    stream: { driver: driver.name, topic: settings.topics.results },
    liveInstances: async () =>
      (await readLiveInstances(database)).map((instance) => ({ ...instance, stats: instance.stats as InstanceStats })),
    produced: createProducedTotal(
      database,
      foundation.instanceId,
      () => roles.scheduling?.publisher.stats().published ?? 0,
    ),
    lag: foundation.lag,
    readiness: readinessChecks(foundation, roles),
    cronSlots: countCronSlots,
    granularities: settings.metrics.map(({ granularity }) => granularity),
  };
}

function schedulerPort(scheduling: Scheduling): SchedulerPort {
  const { scheduler, publisher } = scheduling;
  return {
    nextSlot: (jobId) => scheduler.nextSlot(jobId),
    stats() {
      const { running, missed, inFlight, lateness, clockAheadMs, clockProblem } = scheduler.stats();
      const { published, queuedBytes } = publisher.stats();
      return {
        startedAt: scheduling.startedAt,
        runningJobs: running,
        produced: published,
        missedByReason: missed,
        inFlight,
        queuedBytes,
        latenessMs: lateness.recent,
        clockAheadMs,
        clockProblem,
      };
    },
  };
}

function processorStats(counting: Counting) {
  return () => {
    const stats = counting.stats();
    return {
      consumed: stats?.results ?? 0,
      duplicates: stats?.duplicates ?? 0,
      fenced: stats?.fenced ?? 0,
      deadLetters: stats?.deadLetters ?? 0,
      refused: stats?.refused ?? {},
      flushes: stats?.flushes ?? 0,
      flushSeconds: (stats?.totalFlushMs ?? 0) / 1000,
      lastFlushSeconds: (stats?.lastFlushMs ?? 0) / 1000,
    };
  };
}

/** After this long without success a dependency is reported as not ready. */
const PATIENCE_MS = 5_000;

function readinessChecks(
  { database, clock, signal, lag, jobs }: Foundation,
  { scheduling, counting }: Roles,
): ReadinessCheck[] {
  const since = (at: number | null | undefined) => (at ? clock.wallMs() - at : 0);
  const checks: ReadinessCheck[] = [
    {
      name: 'process',
      check: async () => {
        if (signal.aborted) return 'it is ending';
        return jobs.self.isTold ? null : 'it is starting';
      },
    },
    {
      name: 'database',
      check: async () => {
        await database.query('SELECT 1');
        return null;
      },
    },
    { name: 'counting', check: async () => problemsOf(lag.status()).join('; ') || null },
  ];
  if (scheduling) {
    checks.push({
      name: 'stream',
      check: async () => {
        const failingMs = since(scheduling.publisher.stats().failingSince);
        return failingMs > PATIENCE_MS ? `results cannot be published since ${Math.round(failingMs / 1000)} s` : null;
      },
    });
  }
  if (counting) {
    checks.push({
      name: 'processor',
      check: async () => {
        const stats = counting.stats();
        if (stats?.streamProblem) return stats.streamProblem;
        const failingMs = since(stats?.failingSince);
        return failingMs > PATIENCE_MS ? `results cannot be counted since ${Math.round(failingMs / 1000)} s` : null;
      },
    });
  }
  return checks;
}
