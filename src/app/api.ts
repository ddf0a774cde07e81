import type { AddressInfo } from 'node:net';
import { createAccess } from '../access/access.ts';
import { createAccessAdmin } from '../access/admin.ts';
import { note } from '../access/audit.ts';
import { createIdempotency } from '../access/idempotency.ts';
import { createSignInWithPeople } from '../access/people/index.ts';
import { createProviderSignIn } from '../access/provider/index.ts';
import { metricsOfAll } from '../aggregates/metrics-plan.ts';
import type { ApiDependencies, InstanceStats, ProcessorStatus, SchedulerPort } from '../api/ports.ts';
import { createServer } from '../api/server.ts';
import { isExposed } from '../installation/exposure.ts';
import { readLiveInstances } from '../installation/instances.ts';
import { createProducedTotal } from '../installation/produced-total.ts';
import { reset } from '../installation/reset.ts';
import { listeningOn } from '../installation/self-address.ts';
import { readinessChecks } from '../lag/readiness.ts';
import { migrate } from '../postgres/migrate.ts';
import type { Processor } from '../processor/processor.ts';
import { readPushToken } from '../push/tokens.ts';
import { createCheckRunner } from '../scheduler/checks/check-by-hand.ts';
import { countCronSlots } from '../scheduler/slots.ts';
import { createReadModel } from '../stats/index.ts';
import type { TopicFollower } from '../streaming/topic-follower.ts';
import { addPageRoutes } from '../web/routes.ts';
import type { Roles, Scheduling, Services } from './services.ts';

export interface Api {
  /** Returns the address. */
  listen(): Promise<string>;
  /** Whether nobody can do anything: the server is public, without a key or a person. */
  isLocked(): Promise<boolean>;
}

/** Begins to build the server of the role `api`, or without it that of the probes alone. */
export function createApi(services: Services, roles: Roles): Api {
  const { host, port } = services.settings.server;
  const dependencies = apiDependencies(services, roles);
  const building = createServer(dependencies, [(app) => addPageRoutes(app, dependencies)]);
  building.catch(() => undefined); // Thrown by listen().
  services.lifecycle.defer(async () => (await building.catch(() => null))?.close());
  return {
    async isLocked() {
      const { access, options } = dependencies;
      return options.exposed && options.anonymous === 'none' && !(await access.hasAnybody());
    },
    async listen() {
      const server = await building;
      // From now on the answer is known, should the database go away before the first request.
      await dependencies.access.hasUsers().catch(() => undefined);
      await server.listen({ host, port });
      const { address, family, port: actual } = server.server.address() as AddressInfo;
      if (services.settings.roles.includes('api')) services.jobs.self.listening = listeningOn(address, actual);
      return `http://${family === 'IPv6' ? `[${address}]` : address}:${actual}`;
    },
  };
}

function apiDependencies(services: Services, roles: Roles): ApiDependencies {
  const { settings, database, driver, logger, clock, jobs } = services;
  const { server } = settings;
  const access = createAccess({
    ...{ database, clock, settingsKeys: server.apiKeys },
    sessionIdleMs: server.sessions.idleMs,
  });
  const { people, signIn } = createSignInWithPeople({ database, clock, access, sessions: server.sessions });
  const check = createCheckRunner(jobs.rules.prepare, clock);
  return {
    instanceId: services.instanceId,
    version: services.version,
    logger,
    clock,
    options: {
      loopback: !settings.isPublic,
      probesOnly: !settings.roles.includes('api'),
      exposed: isExposed(settings),
      publicUrl: server.publicUrl,
      anonymous: server.anonymous,
      rateLimitPerMinute: server.rateLimitPerMinute,
      bodyLimitBytes: server.bodyLimitBytes,
      requestTimeoutMs: server.requestTimeoutMs,
      allowReset: server.allowReset,
      trustProxy: server.trustProxy,
      allowedHosts: server.allowedHosts,
    },
    readModel: createReadModel({ database, cronSlots: countCronSlots }),
    databaseAdmin: {
      async migrate(actor) {
        const applied = await migrate(database, { logger });
        const entry = { action: 'database.migrate', subject: 'database', before: null, after: { applied } };
        if (applied.length > 0) await note(database, actor, entry);
        return applied;
      },
      async reset(actor) {
        const applied = await reset(database, { logger, actor });
        await services.jobFile?.applyAgain();
        return applied;
      },
    },
    access,
    accessAdmin: createAccessAdmin(database),
    idempotency: createIdempotency(database),
    ...{ people, signIn },
    provider: createProviderSignIn(server.oidc, { database, clock, logger, access, signIn }),
    jobStore: jobs.store,
    jobRules: jobs.rules,
    push: { take: jobs.reports.take, tokenOf: (jobId) => readPushToken(database, jobId) },
    checks: (stored, signal) => check(stored.job, signal),
    scheduler: roles.scheduling ? schedulerPort(roles.scheduling) : null,
    processor: roles.processing ? { status: processorStatus(roles.processing) } : null,
    roles: settings.roles,
    stream: { driver: driver.name, topic: settings.topics.results, described: describedStream(settings) },
    liveInstances: async () =>
      (await readLiveInstances(database)).map((instance) => ({ ...instance, stats: instance.stats as InstanceStats })),
    produced: createProducedTotal(
      database,
      services.instanceId,
      () => roles.scheduling?.publisher.stats().published ?? 0,
    ),
    lag: services.lag,
    readiness: readinessChecks({
      ...services,
      isAnnounced: () => services.jobs.self.isTold,
      publisher: roles.scheduling?.publisher ?? null,
      processor: roles.processing && (() => roles.processing?.consumer?.stats() ?? null),
    }),
    granularities: metricsOfAll(settings.metrics).map(({ granularity }) => granularity),
  };
}

function describedStream({ topics, stream }: Services['settings']): ApiDependencies['stream']['described'] {
  const { format, cloudeventsSource } = stream;
  return { topics, format, cloudEventsSource: cloudeventsSource };
}

function schedulerPort(scheduling: Scheduling): SchedulerPort {
  const { scheduler, publisher, threads } = scheduling;
  return {
    nextSlot: (jobId) => scheduler.nextSlot(jobId),
    status() {
      const { running, missed, inFlight, lateness, clockAheadMs, clockProblem, stallProblem } = scheduler.stats();
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
        stallProblem,
        threads: threads?.stats() ?? [],
        threadProblem: threads?.problem() ?? null,
      };
    },
  };
}

function processorStatus(processing: TopicFollower<Processor>): () => ProcessorStatus {
  return () => {
    const stats = processing.consumer?.stats();
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
