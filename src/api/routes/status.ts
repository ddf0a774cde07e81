import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import { type InstanceStats, readFleetStatus } from '../../stats/index.ts';
import type { ApiDependencies } from '../ports.ts';
import {
  answer,
  choice,
  count,
  DATABASE_ERRORS,
  errorAnswers,
  inAlso,
  instant,
  nullable,
  ref,
  strict,
} from '../schemas.ts';

const StallSchema = Type.Object(
  {
    topic: Type.String(),
    partition: Type.Integer({ minimum: 0 }),
    lag: count('Records that wait there.'),
    stalled_seconds: Type.Number({ minimum: 0, description: 'For how long nothing of it has been counted.' }),
    owner: nullable(Type.String({ description: 'The processor that claimed it last, alive or not.' })),
    reason: Type.String({ description: 'Why, as far as a processor has written it down.' }),
  },
  { $id: 'Stall', ...strict, description: 'A partition of the stream that has records and is not counted.' },
);
/** Keeps the answer small. */
const MAX_STALLS = 100;

const StatusSchema = Type.Object(
  {
    name: Type.String({ description: 'Always vedette.' }),
    version: Type.String(),
    status: choice(['ok', 'degraded']),
    problems: Type.Array(Type.String(), { description: 'Why the status is degraded.' }),
    scheduler_up_time: nullable(
      Type.Number({
        minimum: 0,
        description: 'Seconds since the longest running scheduler began; null when none runs.',
      }),
    ),
    number_of_running_jobs: count('Jobs that run; one that runs at several locations is one.'),
    number_of_produced_messages: count(
      'Results acknowledged by the stream since the tables were made, of processes that are gone too. Results that a killed process published in its last two seconds can be missing; a reset begins again at 0.',
    ),
    number_of_consumed_messages: count('Results counted since the tables were made; a reset begins again at 0.'),
    number_of_refused_messages: count(
      'Lines of the stream that could not be read or were refused since the tables were made; see /dead-letters.',
    ),
    lag: nullable(
      count('Records of the stream that are not counted yet, as the stream says; null before it could be asked.'),
    ),
    stalls: Type.Array(ref(StallSchema), {
      maxItems: MAX_STALLS,
      description: 'Partitions that have records and have stood still for 30 s or longer.',
    }),
    roles: Type.Array(Type.String(), { description: 'Roles of the process that answers.' }),
    stream: Type.Object({ driver: Type.String(), topic: Type.String() }, strict),
    instances: count('Processes that are alive.'),
    time: instant('Now, by the clock of this server.'),
    links: Type.Object(
      { jobs: Type.String(), docs: Type.String(), openapi: Type.String(), metrics: Type.String() },
      strict,
    ),
  },
  { $id: 'Status', ...strict, description: 'Summed over all live instances.' },
);

const InstanceSchema = Type.Object(
  {
    instance_id: Type.String(),
    roles: Type.Array(Type.String()),
    location: Type.String(),
    version: Type.String(),
    started_at: instant('When it started.'),
    seen_at: instant('When it last gave a sign of life.'),
    stats: Type.Object(
      {
        runningJobs: Type.Optional(count('Jobs that its scheduler owns.')),
        threads: Type.Optional(count('Threads that run its checks; absent when its main thread does.')),
        produced: Type.Optional(count('Results of its own that the stream acknowledged.')),
        clockProblem: Type.Optional(Type.String({ description: 'A fault of its clock.' })),
        stallProblem: Type.Optional(Type.String({ description: 'Why too many of its checks have no verdict.' })),
        threadProblem: Type.Optional(Type.String({ description: 'Its threads of checks that end again and again.' })),
        consumed: Type.Optional(count('Results that its processor counted.')),
        countingProblems: Type.Optional(
          Type.Array(
            Type.Object(
              {
                topic: Type.Optional(Type.String()),
                partition: Type.Optional(Type.Integer({ minimum: 0 })),
                reason: Type.String(),
              },
              strict,
            ),
            { description: 'Why its processor cannot count all or some of the stream.' },
          ),
        ),
      },
      { ...strict, description: 'Its own numbers; those of a role that it does not have are absent.' },
    ),
  },
  { $id: 'Instance', ...strict },
);

export function addStatusRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  app.addSchema(StallSchema);
  app.addSchema(StatusSchema);
  app.addSchema(InstanceSchema);
  const { clock, version, roles, stream } = dependencies;

  app.get(
    '/',
    {
      config: { scope: 'read', whole: true },
      schema: {
        operationId: 'getStatus',
        tags: ['status'],
        summary: 'Identity and state of this server',
        description: 'JSON for programs; a browser (Accept: text/html) gets a page with the jobs and their numbers.',
        response: {
          200: {
            description: 'The status of all live instances together, or the page',
            content: {
              'application/json': { schema: ref(StatusSchema) },
              'text/html': { schema: Type.String() },
            },
          },
          303: {
            description: 'A browser without a session goes to the sign-in, where one is needed',
            headers: { Location: { type: 'string' } },
            type: 'null',
          },
          ...inAlso('text/html', errorAnswers(...DATABASE_ERRORS)),
        },
      },
    },
    async (_request, reply) => {
      reply.header('vary', 'accept').header('cache-control', 'no-store');
      const fleet = await readFleetStatus(dependencies);
      const now = clock.wallMs();
      return {
        name: 'vedette',
        version,
        status: fleet.status,
        problems: fleet.problems,
        scheduler_up_time:
          fleet.schedulerStartedAt === null ? null : Math.max(0, now - fleet.schedulerStartedAt) / 1_000,
        number_of_running_jobs: fleet.runningJobs,
        number_of_produced_messages: fleet.produced,
        number_of_consumed_messages: fleet.consumed,
        number_of_refused_messages: fleet.refused,
        lag: fleet.lag,
        stalls: fleet.stalls.slice(0, MAX_STALLS).map((stall) => ({
          topic: stall.topic,
          partition: stall.partition,
          lag: stall.lag,
          stalled_seconds: Math.round(stall.stalledMs / 1_000),
          owner: stall.owner,
          reason: stall.reason,
        })),
        roles,
        stream: { driver: stream.driver, topic: stream.topic },
        instances: Math.max(1, fleet.instances.length),
        time: new Date(now).toISOString(),
        links: { jobs: '/job', docs: '/docs', openapi: '/openapi.json', metrics: '/metrics' },
      };
    },
  );

  app.get(
    '/instances',
    {
      config: { scope: 'read', whole: true },
      schema: {
        operationId: 'listInstances',
        tags: ['status'],
        summary: 'The processes that are alive',
        response: {
          200: answer('All of them, by id', Type.Array(ref(InstanceSchema))),
          ...errorAnswers(...DATABASE_ERRORS),
        },
      },
    },
    async () => {
      const instances = await dependencies.liveInstances();
      return [...instances]
        .sort((a, b) => (a.instanceId < b.instanceId ? -1 : 1))
        .map((instance) => ({
          instance_id: instance.instanceId,
          roles: instance.roles,
          location: instance.location,
          version: instance.version,
          started_at: instance.startedAt.toISOString(),
          seen_at: instance.seenAt.toISOString(),
          stats: toStatsView(instance.stats),
        }));
    },
  );
}

/** A process of another version may have more fields; where an instance listens concerns the others alone. */
function toStatsView(stats: InstanceStats): object {
  const { runningJobs, threads, produced, clockProblem, stallProblem, threadProblem, consumed, countingProblems } =
    stats;
  return { runningJobs, threads, produced, clockProblem, stallProblem, threadProblem, consumed, countingProblems };
}
