import type { FastifyInstance, FastifyReply } from 'fastify';
import { type Static, Type } from 'typebox';
import type { StoredJob } from '../../jobs/job.ts';
import { readJobStates } from '../../storage/queries.ts';
import { decodeCursor, encodeCursor, isId, nextLink } from '../cursor.ts';
import {
  checkDefinition,
  editJob,
  getJob,
  parseIfMatch,
  patchDefinition,
  removeJob,
  replaceDefinition,
} from '../job-edit.ts';
import { JobSchema, JobStateSchema, type JobView, LastResultSchema, toJobView } from '../job-view.ts';
import type { ApiDependencies } from '../ports.ts';
import {
  answer,
  CHANGE_ERRORS,
  DATABASE_ERRORS,
  ETAG_HEADER,
  errorAnswers,
  JobParams,
  LINK_HEADER,
  OutcomeSchema,
  pageParameters,
  ref,
  strict,
  text,
} from '../schemas.ts';
import { JOB_DEFINITION, JOB_DEFINITION_REF } from '../validation.ts';

const ListQuery = Type.Object(
  {
    ...pageParameters(100),
    q: Type.Optional(text('Part of the name or the address, in any case.')),
    running: Type.Optional(Type.Boolean({ description: 'Only running jobs, or only stopped ones.' })),
    outcome: Type.Optional(
      Type.Unsafe<string>({ ...OutcomeSchema, description: 'Only jobs whose last result ended so.' }),
    ),
    tag: Type.Optional(text('Only jobs with this tag.')),
  },
  strict,
);

const ConditionalHeaders = Type.Object({
  'if-match': Type.Optional(
    Type.String({
      maxLength: 400,
      description: 'ETag of the version the change is meant for; 412 when it is another now.',
      examples: ['"3"'],
    }),
  ),
});

const definitionRef = Type.Unsafe<unknown>({ $ref: JOB_DEFINITION_REF });

const EXAMPLE_DEFINITION = {
  job_name: 'check localhost',
  check_period_seconds: 60,
  uri: 'http://127.0.0.1:8080/website_mock',
  method: 'get',
};
const EXAMPLE_JOB = {
  job_id: 1,
  ...EXAMPLE_DEFINITION,
  running: true,
  version: 1,
  source: 'api',
  created_at: '2026-11-21T08:00:00.000Z',
  updated_at: '2026-11-21T08:00:00.000Z',
  state: {
    scheduled: true,
    next_slot: '2026-11-21T08:01:17.000Z',
    last: null,
    locations: [],
    counts: { count: 0, up: 0, degraded: 0, down: 0, missed: 0 },
    codes: {},
    uptime: null,
  },
};

/** Jobs as a resource: list, create, read, replace, patch, remove. */
export function addJobRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  const { jobStore } = dependencies;
  for (const schema of [LastResultSchema, JobStateSchema, JobSchema]) app.addSchema(schema);
  app.addSchema({ ...dependencies.jobRules.schema, $id: JOB_DEFINITION });
  const jobAnswer = (description: string, headers: Record<string, object> = {}) =>
    answer(description, ref(JobSchema), { headers: { ...ETAG_HEADER, ...headers }, example: EXAMPLE_JOB });

  app.get<{ Querystring: Static<typeof ListQuery> }>(
    '/job',
    {
      schema: {
        operationId: 'listJobs',
        tags: ['jobs'],
        summary: 'Jobs with their state, by id',
        querystring: ListQuery,
        response: {
          200: answer('One page', Type.Array(ref(JobSchema)), { headers: LINK_HEADER, example: [EXAMPLE_JOB] }),
          ...errorAnswers(...DATABASE_ERRORS),
        },
      },
    },
    async (request, reply) => {
      const { limit = 100, cursor, ...filter } = request.query;
      const after = cursor === undefined ? {} : { afterJobId: decodeCursor(cursor, [isJobId])[0] as number };
      const jobs = await jobStore.list({ ...filter, ...after, limit: limit + 1 });
      const page = jobs.slice(0, limit);
      const last = page.at(-1);
      if (jobs.length > limit && last) reply.header('link', nextLink(request.url, encodeCursor([last.job.jobId])));
      return viewsOf(page, dependencies);
    },
  );

  app.post(
    '/job',
    {
      schema: {
        operationId: 'createJob',
        tags: ['jobs'],
        summary: 'Makes a job',
        description: 'Without a `job_id` it takes the next free one. It runs at once unless `enabled` is false.',
        security: [{ apiKey: [] }],
        body: definitionRef,
        response: {
          201: jobAnswer('It was made', { Location: { type: 'string', description: 'Where it is.' } }),
          ...errorAnswers(...CHANGE_ERRORS, 'VED_JOB_EXISTS'),
        },
      },
    },
    async (request, reply) => {
      const stored = await jobStore.create(checkDefinition(dependencies, request.body ?? undefined));
      reply.code(201).header('location', `/job/${stored.job.jobId}`);
      return sendJob(reply, stored, dependencies);
    },
  );

  app.get<{ Params: Static<typeof JobParams> }>(
    '/job/:job_id',
    {
      schema: {
        operationId: 'getJob',
        tags: ['jobs'],
        summary: 'One job with its state',
        params: JobParams,
        response: {
          200: jobAnswer('The job'),
          ...errorAnswers(...DATABASE_ERRORS, 'VED_JOB_NOT_FOUND'),
        },
      },
    },
    async (request, reply) => sendJob(reply, await getJob(dependencies, request.params.job_id), dependencies),
  );

  const edits = [
    {
      method: 'PUT' as const,
      operationId: 'replaceJob',
      summary: 'Replaces the definition of a job',
      description:
        'Takes a definition, or what GET answered: fields of the server are ignored as long as they say what is stored. A masked secret that is sent back stays as it is.',
      body: definitionRef,
      edit: replaceDefinition,
    },
    {
      method: 'PATCH' as const,
      operationId: 'patchJob',
      summary: 'Changes some fields of a job',
      description: 'A JSON merge patch (RFC 7396): given fields replace, null removes, objects are merged.',
      body: Type.Unsafe<unknown>({
        type: 'object',
        description: 'Some fields of a definition.',
        additionalProperties: true,
        examples: [{ check_period_seconds: 30 }],
      }),
      edit: patchDefinition,
    },
  ];
  for (const { method, body, edit, ...texts } of edits) {
    app.route<{ Params: Static<typeof JobParams> }>({
      method,
      url: '/job/:job_id',
      schema: {
        ...texts,
        tags: ['jobs'],
        security: [{ apiKey: [] }],
        params: JobParams,
        headers: ConditionalHeaders,
        body,
        ...(method === 'PATCH' ? { consumes: ['application/json', 'application/merge-patch+json'] } : {}),
        response: {
          200: jobAnswer('It was changed'),
          ...errorAnswers(...CHANGE_ERRORS, 'VED_JOB_NOT_FOUND', 'VED_JOB_MANAGED_BY_FILE', 'VED_VERSION_CONFLICT'),
        },
      },
      handler: async (request, reply) => {
        const ifMatch = parseIfMatch(request.headers['if-match']);
        const stored = await editJob(dependencies, request.params.job_id, ifMatch, edit, request.body);
        return sendJob(reply, stored, dependencies);
      },
    });
  }

  app.delete<{ Params: Static<typeof JobParams> }>(
    '/job/:job_id',
    {
      schema: {
        operationId: 'removeJob',
        tags: ['jobs'],
        summary: 'Removes a job',
        description: 'It is not checked any more. Its numbers and its history stay.',
        security: [{ apiKey: [] }],
        params: JobParams,
        headers: ConditionalHeaders,
        response: {
          204: { description: 'It is gone', type: 'null' },
          ...errorAnswers(...CHANGE_ERRORS, 'VED_JOB_NOT_FOUND', 'VED_JOB_MANAGED_BY_FILE', 'VED_VERSION_CONFLICT'),
        },
      },
    },
    async (request, reply) => {
      await removeJob(dependencies, request.params.job_id, parseIfMatch(request.headers['if-match']));
      return reply.code(204).send();
    },
  );
}

const isJobId = (value: unknown): boolean => isId(value) && Number(value) <= 2_147_483_647;

export async function sendJob(
  reply: FastifyReply,
  stored: StoredJob,
  dependencies: ApiDependencies,
): Promise<JobView | undefined> {
  reply.header('etag', `"${stored.version}"`).header('cache-control', 'no-store');
  return (await viewsOf([stored], dependencies))[0];
}

async function viewsOf(jobs: readonly StoredJob[], dependencies: ApiDependencies): Promise<JobView[]> {
  const { database, clock } = dependencies;
  const ids = jobs.map(({ job }) => job.jobId);
  const states = await readJobStates(database, ids, clock.wallMs());
  return jobs.map((stored) => toJobView(stored, states.get(stored.job.jobId), dependencies));
}
