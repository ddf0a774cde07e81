import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import type { Numbers } from '../../stats/index.ts';
import { decodeCursor, encodeCursor, isTimeMs, nextLink } from '../http/cursor.ts';
import { onBehalf } from '../http/on-behalf.ts';
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
  mapOf,
  nullable,
  pageParameters,
  ref,
  strict,
  text,
  timeParameters,
} from '../schemas.ts';
import { planBuckets } from './buckets.ts';
import { requireKnownId } from './known-id.ts';

const Query = Type.Object(
  {
    granularity: Type.Optional(
      Type.String({
        maxLength: 20,
        minLength: 1,
        description: 'Which rows are read: minute (default), hour or day.',
        examples: ['minute'],
      }),
    ),
    bucket: Type.Optional(
      Type.String({
        maxLength: 20,
        description: 'Merges the rows to something coarser: a length such as 5m, 6h, 1d, 1w, or total for one bucket.',
        examples: ['total'],
      }),
    ),
    ...timeParameters('60 buckets back'),
    percentiles: Type.Optional(
      Type.String({ maxLength: 200, description: 'Percentiles of the response time.', examples: ['50,95,99.9'] }),
    ),
    location: Type.Optional(text('Only this location; otherwise all of them together.')),
    order: Type.Optional(choice(['asc', 'desc'], { default: 'asc', description: 'Oldest or newest first.' })),
    ...pageParameters(200),
  },
  strict,
);

const seconds = (description: string) => nullable(Type.Number({ minimum: 0, description }));
const micros = (description: string) => nullable(count(description));

const KNOWN = 'Checked slots / due: what was missed is accounted for, but not known.';
const COVERAGE =
  'Counted slots / due; 1 when every slot is accounted for. Results of locations that the job is not scheduled at have no slot.';

const BucketSchema = Type.Object(
  {
    from: instant('Where the bucket begins.'),
    to: instant('Where it ends, itself not included.'),
    count: count('All counted results.'),
    up: count('Good.'),
    degraded: count('Good, but slower than wanted.'),
    down: count('Bad.'),
    missed: count('Slots in which nothing could be checked.'),
    maintenance_up: count('Of `up`, those in maintenance.'),
    maintenance_degraded: count('Of `degraded`, those in maintenance.'),
    maintenance_down: count('Of `down`, those in maintenance.'),
    uptime: nullable(
      Type.Number({
        ...{ minimum: 0, maximum: 1 },
        description: 'Share of up and degraded in what was checked, without what came in maintenance.',
      }),
    ),
    due: count('Slots that were due up to now.'),
    coverage: nullable(Type.Number({ minimum: 0, description: COVERAGE })),
    known: nullable(Type.Number({ minimum: 0, description: KNOWN })),
    rt_count: count('Results with a response.'),
    rt_min: seconds('Shortest response time in seconds.'),
    rt_avg: seconds('Mean in seconds.'),
    rt_max: seconds('Longest in seconds.'),
    rt_min_us: micros('Shortest response time in microseconds, exact.'),
    rt_max_us: micros('Longest in microseconds, exact.'),
    rt_sum_us: count('Sum in microseconds, exact.'),
    percentiles: mapOf(nullable(Type.Number({ minimum: 0 })), {
      description: 'Seconds by rank, as asked for: nearest rank, within 0.8 %.',
    }),
    data: mapOf(Type.Integer({ minimum: 0 }), { description: 'Status codes and how often each came.' }),
    reasons: mapOf(Type.Integer({ minimum: 0 }), { description: 'Reasons of what was not up.' }),
    extra: mapOf(Type.Union([Type.Number(), mapOf(nullable(Type.Number())), Type.Null()]), {
      description:
        'Further configured aggregates by function and field, such as max_bytes or avg_timings.ttfb: a number (times in seconds), how often each text came, or of a histogram the percentiles that were asked for (50, 95 and 99 if none were); null when there was nothing to aggregate.',
    }),
  },
  { $id: 'MetricsBucket', ...strict },
);

const MetricsSchema = Type.Object(
  {
    job_id: Type.Integer(),
    granularity: Type.String(),
    bucket: Type.String(),
    location: nullable(Type.String({ description: 'null: all together.' })),
    from: instant('The range, widened to whole buckets.'),
    to: instant('Its end, itself not included.'),
    due: count('Slots that were due in the range up to now.'),
    counted: count('Results counted in the range.'),
    coverage: nullable(Type.Number({ minimum: 0, description: `${COVERAGE} Over the whole range.` })),
    known: nullable(Type.Number({ minimum: 0, description: `${KNOWN} Over the whole range.` })),
    metrics: Type.Array(ref(BucketSchema), { description: 'Buckets with results; others are left out.' }),
  },
  { $id: 'Metrics', ...strict },
);

export function addJobMetricsRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  const { clock, granularities } = dependencies;
  app.addSchema(BucketSchema);
  app.addSchema(MetricsSchema);
  app.get<{ Params: Static<typeof JobParams>; Querystring: Static<typeof Query> }>(
    '/job/:job_id/metrics',
    {
      config: { scope: 'read' },
      schema: {
        operationId: 'getMetrics',
        tags: ['numbers'],
        summary: 'Aggregated numbers of a job',
        description:
          'Counters and histograms merge exactly, so a coarser bucket says precisely what its rows say. A row belongs to the range when its bucket does; the range is widened to whole buckets.',
        params: JobParams,
        querystring: Query,
        response: {
          200: answer('One page of buckets, and what the whole range covers', ref(MetricsSchema), {
            headers: LINK_HEADER,
          }),
          ...errorAnswers(...DATABASE_ERRORS, 'VED_JOB_NOT_FOUND'),
        },
      },
    },
    async (request, reply) => {
      const { limit = 200, cursor, order = 'asc', location, ...wanted } = request.query;
      const jobId = request.params.job_id;
      const nowMs = clock.wallMs();
      const plan = planBuckets(wanted, granularities, nowMs);
      const afterMs = cursor === undefined ? undefined : (decodeCursor(cursor, [isTimeMs])[0] as number);
      const own = onBehalf(request, dependencies);
      const page = await own.readModel.buckets({ ...plan, jobId, location, limit, order, afterMs, nowMs });
      if (page.buckets.length === 0 && !page.isScheduled) await requireKnownId(own, jobId);
      const last = page.buckets.at(-1);
      if (page.more && last) reply.header('link', nextLink(request.url, encodeCursor([last.fromMs])));
      return {
        job_id: jobId,
        granularity: plan.granularity,
        bucket: wanted.bucket ?? plan.granularity,
        location: location ?? null,
        from: new Date(plan.fromMs).toISOString(),
        to: new Date(plan.toMs).toISOString(),
        ...page.coverage,
        metrics: page.buckets.map((bucket) => toBucketView(bucket, plan.percentiles)),
      };
    },
  );
}

function toBucketView(numbers: Numbers, ranks: readonly number[]): Record<string, unknown> {
  const { count: counted, up, degraded, down, missed, uptime, due, coverage, known } = numbers;
  return {
    from: new Date(numbers.fromMs).toISOString(),
    to: new Date(numbers.toMs).toISOString(),
    ...{ count: counted, up, degraded, down, missed, uptime, due, coverage, known },
    maintenance_up: numbers.maintenanceUp,
    maintenance_degraded: numbers.maintenanceDegraded,
    maintenance_down: numbers.maintenanceDown,
    rt_count: numbers.responses,
    rt_min: numbers.min,
    rt_avg: numbers.avg,
    rt_max: numbers.max,
    rt_min_us: numbers.minMicros,
    rt_max_us: numbers.maxMicros,
    rt_sum_us: numbers.sumMicros,
    percentiles: Object.fromEntries(ranks.map((rank, index) => [String(rank), numbers.percentiles[index] ?? null])),
    data: numbers.codes,
    reasons: numbers.reasons,
    extra: numbers.extra,
  };
}
