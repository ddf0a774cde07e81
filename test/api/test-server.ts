import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify';
import type { Test } from 'tap';
import { type Access, createAccess } from '../../src/access/access.ts';
import { createAccessAdmin } from '../../src/access/admin.ts';
import { createIdempotency } from '../../src/access/idempotency.ts';
import { createSignInWithPeople } from '../../src/access/people/index.ts';
import { createProviderSignIn } from '../../src/access/provider/index.ts';
import type { ApiDependencies, ApiOptions, CheckReport, LagPort } from '../../src/api/ports.ts';
import { createServer } from '../../src/api/server.ts';
import { systemClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/logger.ts';
import type { LagStatus } from '../../src/lag/lag-watch.ts';
import { DEFAULT_STREAM } from '../../src/messages/asyncapi.ts';
import type { Database } from '../../src/postgres/database.ts';
import { createPushReports } from '../../src/push/reports.ts';
import { readPushToken } from '../../src/push/tokens.ts';
import { createReadModel } from '../../src/stats/index.ts';
import type { CronSlotCounter } from '../../src/stats/queries/spans.ts';
import { addPageRoutes } from '../../src/web/routes.ts';
import { serverDefaults, sessionDefaults } from '../helpers/defaults.ts';
import { createAnswerCheck } from './answer-check.ts';
import { MemoryJobStore } from './memory-job-store.ts';
import { testJobRules } from './test-job-rules.ts';

export interface TestServerOptions extends Partial<Omit<ApiDependencies, 'options'>> {
  options?: Partial<ApiOptions>;
  /** Keys of the settings. */
  apiKeys?: readonly string[];
  /** Read by the read model; without one PostgreSQL is away. */
  database?: Database;
  cronSlots?: CronSlotCounter;
  oidc?: Parameters<typeof createProviderSignIn>[0];
  sessions?: { idleMs: number; lifetimeMs: number };
}

/** A server with fakes at its own seams; what a test cares about it brings along. Closed at teardown. */
export async function createTestServer(
  t: Pick<Test, 'teardown'>,
  given: TestServerOptions = {},
): Promise<FastifyInstance> {
  const dependencies = testDependencies(given);
  const app = await createServer(dependencies, [(server) => addPageRoutes(server, dependencies)]);
  t.teardown(() => app.close());
  return heldToDocument(app);
}

export function testDependencies(given: TestServerOptions = {}): ApiDependencies {
  const {
    options = {},
    database = brokenDatabase(),
    cronSlots = () => 0,
    apiKeys = [],
    sessions: _sessions,
    oidc,
    ...ports
  } = given;
  const { loopback = true, allowedHosts = [], trustProxy = [] } = options;
  const { sessions = sessionDefaults, clock = systemClock } = given;
  const access = createAccess({ database, clock, settingsKeys: apiKeys, sessionIdleMs: sessions.idleMs });
  const { people, signIn } = createSignInWithPeople({ database, clock, access, sessions });
  return {
    instanceId: 'test-1',
    version: '0.1.0',
    logger: silentLogger,
    clock: systemClock,
    readModel: createReadModel({ database, cronSlots }),
    databaseAdmin: { migrate: async () => [], reset: async () => [] },
    access: given.database ? access : withoutPeople(access),
    accessAdmin: createAccessAdmin(database),
    idempotency: createIdempotency(database),
    ...{ people, signIn },
    provider: oidc
      ? createProviderSignIn(oidc, { ...{ database, clock, access, signIn }, logger: given.logger ?? silentLogger })
      : null,
    jobStore: new MemoryJobStore(),
    jobRules: testJobRules,
    push: {
      take: createPushReports({ database, clock }).take,
      tokenOf: (jobId) => readPushToken(database, jobId),
    },
    checks: async () => upReport(),
    scheduler: null,
    processor: null,
    roles: ['api'],
    stream: { driver: 'embedded', topic: 'checks', described: DEFAULT_STREAM },
    liveInstances: async () => [],
    produced: async () => given.scheduler?.status().produced ?? 0,
    lag: lagPort(),
    readiness: [],
    granularities: ['minute', 'hour', 'day'],
    ...ports,
    options: {
      loopback,
      exposed:
        !loopback || allowedHosts.length > 0 || (trustProxy !== false && trustProxy !== true && trustProxy.length > 0),
      anonymous: 'none',
      ...serverDefaults,
      metricsCacheMs: 0,
      ...options,
    },
  };
}

/** Without a database, there are the keys of the settings alone. */
function withoutPeople(access: Access): Access {
  const { hasSettingsKeys } = access;
  return {
    hasSettingsKeys,
    principalOfKey: (text, options) => access.principalOfKey(text, options),
    holderOfKey: (text) => access.holderOfKey(text),
    sessionOf: async () => null,
    hasUsers: async () => false,
    hasAnybody: async () => hasSettingsKeys,
    forget: () => undefined,
  };
}

/** The server, whose `inject` rejects when an answer is not what the server's own document says. */
function heldToDocument(app: FastifyInstance): FastifyInstance {
  const problemOf = createAnswerCheck(app);
  const inject = async (given: string | InjectOptions): Promise<LightMyRequestResponse> => {
    const options = typeof given === 'string' ? { url: given } : given;
    const answer = await app.inject(options);
    const problem = typeof options.url === 'string' ? problemOf(options.method ?? 'GET', options.url, answer) : null;
    if (problem !== null) throw new Error(problem);
    return answer;
  };
  return new Proxy(app, { get: (target, name) => (name === 'inject' ? inject : Reflect.get(target, name, target)) });
}

/** A stream that is counted, unless told otherwise. */
export function lagPort(given: Partial<LagStatus> = {}): LagPort {
  const status = { lag: 0, counted: 0, refused: 0, partitions: [], stalls: [], unknown: null, ...given };
  return { status: () => status, read: async () => status };
}

export function upReport(): CheckReport {
  return {
    startedAt: 1_795_248_000_000,
    outcome: 'up',
    status: '200',
    responseTime: 0.0123,
    timings: { connect: 0.001 },
  };
}

/** What a Database is while PostgreSQL is away. */
function brokenDatabase(): Database {
  const refuse = async (): Promise<never> => {
    throw Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:5432'), { code: 'ECONNREFUSED' });
  };
  return {
    schema: 'public',
    databaseName: 'vedette',
    query: refuse,
    transaction: refuse,
    listen: refuse,
    notify: refuse,
    qualifyChannel: (channel) => channel,
    close: async () => undefined,
  };
}
