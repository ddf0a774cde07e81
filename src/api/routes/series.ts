import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import { JOB_PRESENCES, type SeriesPosition, toSeriesView } from '../../stats/index.ts';
import { decodeCursor, encodeCursor, isJobId, isName, nextLink } from '../http/cursor.ts';
import { onBehalf } from '../http/on-behalf.ts';
import type { ApiDependencies } from '../ports.ts';
import {
  answer,
  CountsSchema,
  choice,
  DATABASE_ERRORS,
  errorAnswers,
  instant,
  JobParams,
  LINK_HEADER,
  nullable,
  OutcomeSchema,
  pageParameters,
  ReasonSchema,
  ref,
  strict,
  TOTAL_HEADER,
  text,
} from '../schemas.ts';

const Query = Type.Object(
  {
    ...pageParameters(100),
    job_id: Type.Optional(JobParams.properties.job_id),
    location: Type.Optional(text('Only of this location.')),
    foreign: Type.Optional(
      Type.Boolean({ description: 'Only series that Vedette never scheduled, or only those that it did.' }),
    ),
    total: Type.Optional(
      Type.Boolean({ description: 'Whether the header Total-Count says how many there are over all pages.' }),
    ),
  },
  strict,
);

const SeriesSchema = Type.Object(
  {
    job_id: Type.Integer({ minimum: 1 }),
    job_name: nullable(Type.String({ description: 'null when there never was a job of this id.' })),
    job: choice(JOB_PRESENCES, {
      description: 'Whether there is a job of this id: current, removed, or none (it was never made here).',
    }),
    location: Type.String(),
    topic: Type.String({ description: 'By which its results came.' }),
    foreign: Type.Boolean({
      description: 'Vedette never scheduled this job at this location: the results come from other producers.',
    }),
    last: nullable(
      Type.Object(
        {
          slot: nullable(instant('The scheduled instant; null for a line of a foreign producer.')),
          ts: nullable(instant('When the check really began.')),
          outcome: ref(OutcomeSchema),
          reason: nullable(ref(ReasonSchema)),
          status: nullable(Type.String({ description: 'HTTP status or protocol code.' })),
          response_time: nullable(Type.Number({ minimum: 0, description: 'Seconds.' })),
        },
        { ...strict, description: 'The last counted result.' },
      ),
    ),
    counts: ref(CountsSchema),
  },
  { $id: 'Series', ...strict, description: 'One job at one location in one topic, as far as it is counted.' },
);

export function addSeriesRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  app.addSchema(SeriesSchema);
  app.get<{ Querystring: Static<typeof Query> }>(
    '/series',
    {
      config: { scope: 'read' },
      schema: {
        operationId: 'listSeries',
        tags: ['numbers'],
        summary: 'Counted series: each job at each location, with its last result',
        description:
          'Also the results that other producers publish under ids or locations that no job has (`foreign=true`); their numbers are read by `/job/{job_id}/metrics` and `/results` like any. With a filter a page may be short, or empty, although more follows: go on as long as there is a Link.',
        querystring: Query,
        response: {
          200: answer('One page, by job, location and topic', Type.Array(ref(SeriesSchema)), {
            headers: { ...LINK_HEADER, 'Total-Count': TOTAL_HEADER },
            example: [
              {
                ...{ job_id: 4711, job_name: null, job: 'none', location: 'default', topic: 'checks', foreign: true },
                last: {
                  ...{ slot: null, ts: '2026-11-21T08:00:17.002Z', outcome: 'up', reason: null, status: '200' },
                  response_time: 0.012345,
                },
                counts: { count: 12, up: 11, degraded: 0, down: 1, missed: 0 },
              },
            ],
          }),
          ...errorAnswers(...DATABASE_ERRORS),
        },
      },
    },
    async (request, reply) => {
      const { limit = 100, cursor, job_id: jobId, location, foreign, total } = request.query;
      const { readModel } = onBehalf(request, dependencies);
      const filter = { jobId, location, foreign };
      const after = cursor === undefined ? undefined : readPosition(cursor);
      const [{ series, next }, count] = await Promise.all([
        readModel.series({ ...filter, limit, after }),
        total ? readModel.countSeries(filter) : undefined,
      ]);
      if (count !== undefined) reply.header('total-count', count);
      if (next) reply.header('link', nextLink(request.url, encodeCursor([next.jobId, next.location, next.topic])));
      return series.map(toSeriesView);
    },
  );
}

function readPosition(cursor: string): SeriesPosition {
  const [jobId, location, topic] = decodeCursor(cursor, [isJobId, isName, isName]) as [number, string, string];
  return { jobId, location, topic };
}
