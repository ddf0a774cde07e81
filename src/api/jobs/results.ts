import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import { MAX_TIME_MS, toIso } from '../../core/instant.ts';
import { OUTCOMES, PHASES } from '../../messages/check-result.ts';
import { type ResultPosition, type ResultRow, toSeconds } from '../../stats/index.ts';
import { decodeCursor, encodeCursor, isInt4, isName, isOffset, isTimeMs, nextLink } from '../http/cursor.ts';
import { onBehalf } from '../http/on-behalf.ts';
import { readTimeRange } from '../http/time-range.ts';
import type { ApiDependencies } from '../ports.ts';
import {
  answer,
  choice,
  count,
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
  TimingsSchema,
  text,
  timeParameters,
  ValuesSchema,
} from '../schemas.ts';
import { shownDetail } from './detail.ts';
import { requireKnownId } from './known-id.ts';

const Query = Type.Object(
  {
    ...timeParameters('as far back as results are kept'),
    ...pageParameters(100),
    location: Type.Optional(text('Only of this location.')),
    topic: Type.Optional(text('Only results that came by this topic.', 249)),
    outcome: Type.Optional(choice(OUTCOMES, { description: 'Only results that ended so.' })),
  },
  strict,
);

const ResultSchema = Type.Object(
  {
    job_id: Type.Integer(),
    location: Type.String(),
    slot: nullable(instant('The scheduled instant, in a range its last; null for a line of a foreign producer.')),
    ts: instant('When the check really began.'),
    outcome: ref(OutcomeSchema),
    reason: nullable(ref(ReasonSchema)),
    status: nullable(Type.String({ description: 'HTTP status or protocol code; null when there was no response.' })),
    response_time: nullable(Type.Number({ minimum: 0, description: 'Seconds.' })),
    rt_us: nullable(count('The same in microseconds, exact.')),
    timings: ref(TimingsSchema),
    bytes: nullable(count('Body bytes received, before decoding.')),
    attempt: nullable(Type.Integer({ minimum: 0, description: '1 for the first try of the slot.' })),
    detail: nullable(Type.String({ description: 'Short text for people.' })),
    values: ref(ValuesSchema),
    maintenance: Type.Boolean({ description: 'Whether a window of maintenance held at the slot.' }),
    slots: count('How many slots this speaks for: 1, or the length of a range of missed ones.'),
    period_ms: nullable(count('Distance of the slots of a range.')),
    epoch: nullable(count('Which ownership of the shard it comes from.')),
    topic: Type.String(),
    partition: count('Partition of the topic.'),
    offset: count('Offset of the record it came in.'),
  },
  { $id: 'Result', ...strict, description: 'A raw result, as it was counted.' },
);

export function addJobResultsRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  const { clock } = dependencies;
  app.addSchema(ResultSchema);
  app.get<{ Params: Static<typeof JobParams>; Querystring: Static<typeof Query> }>(
    '/job/:job_id/results',
    {
      config: { scope: 'read' },
      schema: {
        operationId: 'listResults',
        tags: ['numbers'],
        summary: 'Raw results of a job, newest first',
        description: 'As far as they are kept (two days by default); metrics are kept longer.',
        params: JobParams,
        querystring: Query,
        response: {
          200: answer('One page', Type.Array(ref(ResultSchema)), {
            headers: LINK_HEADER,
            example: [
              {
                ...{ job_id: 1, location: 'default', slot: '2026-11-21T08:00:17.000Z', ts: '2026-11-21T08:00:17.002Z' },
                ...{ outcome: 'up', reason: null, status: '200', response_time: 0.012345, rt_us: 12345 },
                ...{ timings: { connect: 0.0004, ttfb: 0.0101 }, bytes: 2, attempt: 1, detail: null, values: {} },
                ...{ maintenance: false, slots: 1 },
                ...{ period_ms: null, epoch: 1, topic: 'checks', partition: 3, offset: 77 },
              },
            ],
          }),
          ...errorAnswers(...DATABASE_ERRORS, 'VED_JOB_NOT_FOUND'),
        },
      },
    },
    async (request, reply) => {
      const { limit = 100, cursor, from, to, ...filter } = request.query;
      const own = onBehalf(request, dependencies);
      const jobId = request.params.job_id;
      const nowMs = clock.wallMs();
      // Clocks of schedulers may be ahead of this one: results are bounded only if the caller asks for it.
      const range = readTimeRange({ from, to }, { fromMs: () => 0, toMs: MAX_TIME_MS, nowMs });
      const after = cursor === undefined ? undefined : toPosition(cursor);
      const { results, next } = await own.readModel.results({ jobId, ...range, ...filter, limit, after });
      if (results.length === 0 && !after) await requireKnownId(own, jobId);
      if (next)
        reply.header(
          'link',
          nextLink(
            request.url,
            encodeCursor([next.atMs, next.topic, next.partition, next.recordOffset, next.recordPosition]),
          ),
        );
      return results.map(toResultView);
    },
  );
}

function toPosition(cursor: string): ResultPosition {
  const key = decodeCursor(cursor, [isTimeMs, isName, isInt4, isOffset, isInt4]);
  const [atMs, topic, partition, recordOffset, recordPosition] = key as [number, string, number, number, number];
  return { atMs, topic, partition, recordOffset, recordPosition };
}

/** PostgreSQL keeps keys in an order of its own. */
function inOrder(timings: Record<string, number>): Record<string, number> {
  return Object.fromEntries(
    PHASES.filter((phase) => phase in timings).map((phase) => [phase, timings[phase] as number]),
  );
}

/** A raw result in JSON, for the API and the command line. */
export function toResultView(row: ResultRow): Record<string, unknown> {
  return {
    job_id: row.jobId,
    location: row.location,
    slot: toIso(row.slot),
    ts: toIso(row.ts),
    outcome: row.outcome,
    reason: row.reason,
    status: row.status,
    response_time: toSeconds(row.rtMicros),
    rt_us: row.rtMicros,
    timings: inOrder(row.timings ?? {}),
    bytes: row.bytes,
    attempt: row.attempt,
    detail: shownDetail(row.detail),
    values: row.values ?? {},
    maintenance: row.maintenance,
    slots: row.slots,
    period_ms: row.periodMs,
    epoch: row.epoch,
    topic: row.topic,
    partition: row.partition,
    offset: row.recordOffset,
  };
}
