import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';
import { beyondSchema } from '../../jobs/beyond-schema.ts';
import type { StoredJob } from '../../jobs/definition.ts';
import { type JobPosition, type JobSort, SORTS } from '../../jobs/store.ts';
import { OUTCOMES } from '../../messages/check-result.ts';
import { digest, unlessKnown } from '../http/conditional.ts';
import { decodeCursor, encodeCursor, isJobId, isTimeMs, nextLink } from '../http/cursor.ts';
import { answerOnce } from '../http/idempotency.ts';
import { onBehalf } from '../http/on-behalf.ts';
import { JOB_DEFINITION, JOB_DEFINITION_REF, JOB_PATCH, JOB_PATCH_REF } from '../http/validation.ts';
import type { ApiDependencies } from '../ports.ts';
import {
  answer,
  CHANGE_ERRORS,
  CountsSchema,
  choice,
  DATABASE_ERRORS,
  ETAG_HEADER,
  errorAnswers,
  JobParams,
  LINK_HEADER,
  LIST_ETAG_HEADER,
  NOT_MODIFIED,
  OutcomeSchema,
  pageParameters,
  ReadHeaders,
  ReasonSchema,
  ref,
  strict,
  TimingsSchema,
  TOTAL_HEADER,
  text,
  ValuesSchema,
} from '../schemas.ts';
import {
  checkDefinition,
  editJob,
  getJob,
  parseIfMatch,
  patchDefinition,
  removeJob,
  replaceDefinition,
} from './edit.ts';
import { withPushToken } from './push-token.ts';
import { createJobSchemas } from './schemas.ts';
import { JobSchema, JobStateSchema, type JobView, LastResultSchema, SERVER_FIELDS, toJobView } from './view.ts';

const several = (item: string, description: string, maxLength: number) =>
  Type.Optional(Type.String({ minLength: 1, maxLength, pattern: `^${item}(,${item})*$`, description }));

const ListQuery = Type.Object(
  {
    ...pageParameters(100),
    sort: Type.Optional(
      choice(SORTS, { description: 'Key of the order, descending with a minus sign. Default: job_id.' }),
    ),
    q: Type.Optional(text('Part of the name or the address as they are shown, in any case.')),
    running: Type.Optional(Type.Boolean({ description: 'Only running jobs, or only stopped ones.' })),
    outcome: several(
      `(${OUTCOMES.join('|')})`,
      'up, degraded, down or missed, or several with commas: only jobs whose last result ended so',
      60,
    ),
    tag: several('[^,\\u0000]{1,64}', 'a tag, or several with commas: only jobs with all of them', 1_000),
    total: Type.Optional(
      Type.Boolean({ description: 'Whether the header Total-Count says how many there are over all pages.' }),
    ),
  },
  strict,
);

const ConditionalHeaders = Type.Object({
  'if-match': Type.Optional(
    Type.String({
      maxLength: 400,
      pattern: '^ *(\\*|(W/)?"?\\d{1,9}(-[A-Za-z0-9_-]{1,40})?"?( *, *(W/)?"?\\d{1,9}(-[A-Za-z0-9_-]{1,40})?"?)*) *$',
      description:
        'the ETag of the job, such as "3": of the version the change is meant for; 412 when it is another now',
      examples: ['"3"'],
    }),
  ),
});

const definitionRef = Type.Unsafe<unknown>({ $ref: JOB_DEFINITION_REF });

const EXAMPLE_DEFINITION = {
  job_name: 'check localhost',
  check_period_seconds: 60,
  uri: 'http://vedette.self/website_mock',
  method: 'GET',
};
const EXAMPLE_JOB = {
  job_id: 1,
  type: 'http',
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
  const schemas = createJobSchemas(dependencies.jobRules.schema, SERVER_FIELDS);
  const shared = [OutcomeSchema, ReasonSchema, CountsSchema, TimingsSchema, ValuesSchema, LastResultSchema];
  for (const schema of [...shared, JobStateSchema, ...schemas.named]) {
    app.addSchema(schema);
  }
  app.addSchema({ ...schemas.job, $id: 'Job' });
  app.addSchema({ ...schemas.definition, $id: JOB_DEFINITION });
  app.addSchema({ ...schemas.patch, $id: JOB_PATCH });
  const jobAnswer = (description: string, headers: Record<string, object> = {}) =>
    answer(description, ref(JobSchema), { headers: { ...ETAG_HEADER, ...headers }, example: EXAMPLE_JOB });

  app.get<{ Querystring: Static<typeof ListQuery> }>(
    '/job',
    {
      config: { scope: 'read' },
      schema: {
        operationId: 'listJobs',
        tags: ['jobs'],
        summary: 'Jobs with their state',
        querystring: ListQuery,
        headers: ReadHeaders,
        response: {
          ...NOT_MODIFIED,
          200: answer('One page', Type.Array(ref(JobSchema)), {
            headers: { ...LINK_HEADER, ...LIST_ETAG_HEADER, 'Total-Count': TOTAL_HEADER },
            example: [EXAMPLE_JOB],
          }),
          ...errorAnswers(...DATABASE_ERRORS),
        },
      },
    },
    async (request, reply) => {
      const { limit = 100, cursor, sort = 'job_id', outcome, tag, total, ...rest } = request.query;
      const filter = {
        ...rest,
        ...(outcome === undefined ? {} : { outcomes: outcome.split(',') }),
        ...(tag === undefined ? {} : { tags: tag.split(',') }),
      };
      const after = cursor === undefined ? {} : { after: readPosition(cursor, sort) };
      const own = onBehalf(request, dependencies);
      const [jobs, count] = await Promise.all([
        own.jobStore.list({ ...filter, ...after, sort, limit: limit + 1 }),
        total ? own.jobStore.count(filter) : undefined,
      ]);
      const page = jobs.slice(0, limit);
      const last = page.at(-1);
      if (count !== undefined) reply.header('total-count', count);
      if (jobs.length > limit && last) reply.header('link', nextLink(request.url, writePosition(last, sort)));
      const views = await viewsOf(page, own);
      reply.header('cache-control', 'no-cache');
      return unlessKnown(request, reply, views, { etag: `W/"${digest(JSON.stringify(views))}"` });
    },
  );

  app.post(
    '/job',
    {
      config: { scope: 'write', idempotent: true },
      schema: {
        operationId: 'createJob',
        tags: ['jobs'],
        summary: 'Makes a job',
        description: `Without a \`job_id\` it takes the next free one. It runs at once unless \`enabled\` is false.\n\n${beyondSchema({ isMerged: false })}`,
        body: definitionRef,
        response: {
          201: jobAnswer('It was made', { Location: { type: 'string', description: 'Where it is.' } }),
          ...errorAnswers(...CHANGE_ERRORS, 'VED_JOB_EXISTS'),
        },
      },
    },
    async (request, reply) => {
      const own = onBehalf(request, dependencies);
      const definition = checkDefinition(own, request.body ?? undefined);
      // A number that had another job before has that job's results.
      const ids = definition.job_id === undefined ? [] : [definition.job_id as number];
      const states = await own.readModel.states(ids, own.clock.wallMs());
      return answerOnce<StoredJob>(request, reply, own.idempotency, {
        make: (within) => own.jobStore.create(definition, { within }),
        toAnswer: (stored) => ({
          headers: { location: `/job/${stored.job.jobId}`, etag: etagOf(stored) },
          body: toJobView(stored, states.get(stored.job.jobId), own),
        }),
      });
    },
  );

  app.get<{ Params: Static<typeof JobParams> }>(
    '/job/:job_id',
    {
      config: { scope: 'read' },
      schema: {
        operationId: 'getJob',
        tags: ['jobs'],
        summary: 'One job with its state',
        params: JobParams,
        headers: ReadHeaders,
        response: {
          ...NOT_MODIFIED,
          200: jobAnswer('The job'),
          ...errorAnswers(...DATABASE_ERRORS, 'VED_JOB_NOT_FOUND'),
        },
      },
    },
    async (request, reply) => {
      const own = onBehalf(request, dependencies);
      const stored = await getJob(own, request.params.job_id);
      const job = await sendJob(reply, stored, own, request);
      // The version alone would hide that the state changed: it is part of the tag, behind the version.
      return unlessKnown(request, reply, job, { etag: `"${stored.version}-${digest(JSON.stringify(job))}"` });
    },
  );

  const edits = [
    {
      method: 'PUT' as const,
      operationId: 'replaceJob',
      summary: 'Replaces the definition of a job',
      description: `Takes a definition, or what GET answered: fields of the server are ignored as long as they say what is stored. A masked secret that is sent back stays as it is.\n\n${beyondSchema({ isMerged: true })}`,
      body: definitionRef,
      edit: replaceDefinition,
    },
    {
      method: 'PATCH' as const,
      operationId: 'patchJob',
      summary: 'Changes some fields of a job',
      description: `A JSON merge patch (RFC 7396): given fields replace, null removes, objects are merged.\n\n${beyondSchema({ isMerged: true })}`,
      body: Type.Unsafe<unknown>({ $ref: JOB_PATCH_REF }),
      edit: patchDefinition,
    },
  ];
  for (const { method, body, edit, ...texts } of edits) {
    app.route<{ Params: Static<typeof JobParams> }>({
      method,
      url: '/job/:job_id',
      config: { scope: 'write' },
      schema: {
        ...texts,
        tags: ['jobs'],
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
        const own = onBehalf(request, dependencies);
        const stored = await editJob(own, request.params.job_id, ifMatch, edit, request.body);
        return sendJob(reply, stored, own, request);
      },
    });
  }

  app.delete<{ Params: Static<typeof JobParams> }>(
    '/job/:job_id',
    {
      config: { scope: 'write' },
      schema: {
        operationId: 'removeJob',
        tags: ['jobs'],
        summary: 'Removes a job',
        description: 'It is not checked any more. Its numbers and its history stay.',
        params: JobParams,
        headers: ConditionalHeaders,
        response: {
          204: { description: 'It is gone', type: 'null' },
          ...errorAnswers(...CHANGE_ERRORS, 'VED_JOB_NOT_FOUND', 'VED_JOB_MANAGED_BY_FILE', 'VED_VERSION_CONFLICT'),
        },
      },
    },
    async (request, reply) => {
      await removeJob(
        onBehalf(request, dependencies),
        request.params.job_id,
        parseIfMatch(request.headers['if-match']),
      );
      return reply.code(204).send();
    },
  );
}

/** Where a page ended: the job and what the list is sorted by, so that a cursor of another order is refused. */
function writePosition({ job, createdAt, updatedAt }: StoredJob, sort: JobSort): string {
  const keys = { job_id: job.jobId, job_name: job.name, created_at: +createdAt, updated_at: +updatedAt };
  return encodeCursor([sort, keys[sort.replace('-', '') as keyof typeof keys], job.jobId]);
}

function readPosition(cursor: string, sort: JobSort): JobPosition {
  const isKey = sort.endsWith('_at') ? isTimeMs : sort.endsWith('job_name') ? isText : isJobId;
  const [, key, jobId] = decodeCursor(cursor, [(value) => value === sort, isKey, isJobId]);
  return { key: key as string | number, jobId: jobId as number };
}

const isText = (value: unknown): boolean => typeof value === 'string' && !value.includes('\0');

const etagOf = ({ version }: StoredJob): string => `"${version}"`;

export async function sendJob(
  reply: FastifyReply,
  stored: StoredJob,
  dependencies: ApiDependencies,
  request: FastifyRequest,
): Promise<JobView | undefined> {
  reply.header('etag', etagOf(stored)).header('cache-control', 'no-store');
  const [view] = await viewsOf([stored], dependencies);
  return view && withPushToken(view, stored, dependencies, request);
}

async function viewsOf(jobs: readonly StoredJob[], dependencies: ApiDependencies): Promise<JobView[]> {
  const { readModel, clock } = dependencies;
  const ids = jobs.map(({ job }) => job.jobId);
  const states = await readModel.states(ids, clock.wallMs());
  return jobs.map((stored) => toJobView(stored, states.get(stored.job.jobId), dependencies));
}
