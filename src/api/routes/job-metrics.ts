import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import {
  countDue,
  type MetricsBucket,
  mergeExtras,
  percentileOf,
  readCoverage,
  readMetrics,
  readSpans,
  type ScheduleSpan,
  toCoverage,
  uptimeOf,
} from '../../stats/index.ts';
import { decodeCursor, encodeCursor, isTimeMs, nextLink } from '../cursor.ts';
import { requireKnownId } from '../known-id.ts';
import { type MetricsPlan, planMetrics } from '../metrics-query.ts';
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

const KNOWN = '(up + degraded + down) / due: what was missed is accounted for, but not known.';

const BucketSchema = Type.Object(
  {
    from: instant('Where the bucket begins.'),
    to: instant('Where it ends, itself not included.'),
    count: count('All counted results.'),
    up: count('Good.'),
    degraded: count('Good, but slower than wanted.'),
    down: count('Bad.'),
    missed: count('Slots in which nothing could be checked.'),
    uptime: nullable(
      Type.Number({ minimum: 0, maximum: 1, description: 'Share of up and degraded in what was checked.' }),
    ),
    due: count('Slots that were due up to now.'),
    coverage: nullable(Type.Number({ minimum: 0, description: 'count / due; 1 when every slot is accounted for.' })),
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
    extra: mapOf(Type.Union([Type.Number(), mapOf(Type.Integer({ minimum: 0 })), Type.Null()]), {
      description:
        'Further configured aggregates by function and field, such as max_bytes: a number, or how often each value came; null when there was nothing to aggregate.',
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
    coverage: nullable(Type.Number({ minimum: 0, description: 'counted / due over the whole range.' })),
    known: nullable(Type.Number({ minimum: 0, description: `${KNOWN} Over the whole range.` })),
    metrics: Type.Array(ref(BucketSchema), { description: 'Buckets with results; others are left out.' }),
  },
  { $id: 'Metrics', ...strict },
);

export function addJobMetricsRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  const { database, clock, cronSlots, granularities } = dependencies;
  app.addSchema(BucketSchema);
  app.addSchema(MetricsSchema);
  app.get<{ Params: Static<typeof JobParams>; Querystring: Static<typeof Query> }>(
    '/job/:job_id/metrics',
    {
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
      const plan = planMetrics(wanted, granularities, nowMs);
      const afterMs = cursor === undefined ? undefined : (decodeCursor(cursor, [isTimeMs])[0] as number);
      const scope = { jobId, location, granularity: plan.granularity, fromMs: plan.fromMs, toMs: plan.toMs };
      const [page, spans, coverage] = await Promise.all([
        readMetrics(database, {
          ...scope,
          ...{
            bucketMs: plan.bucketMs,
            bucketOffsetMs: plan.bucketOffsetMs,
            limit,
            order,
            afterMs,
            histogram: plan.percentiles.length > 0,
          },
        }),
        readSpans(database, scope),
        readCoverage(database, { ...scope, nowMs, cronSlots }),
      ]);
      if (page.buckets.length === 0 && spans.length === 0) await requireKnownId(dependencies, jobId);
      const last = page.buckets.at(-1);
      if (page.more && last) reply.header('link', nextLink(request.url, encodeCursor([last.fromMs])));
      const view = (bucket: MetricsBucket) => toBucketView(bucket, plan, spans, nowMs, cronSlots);
      return {
        job_id: jobId,
        granularity: plan.granularity,
        bucket: wanted.bucket ?? plan.granularity,
        location: location ?? null,
        from: new Date(plan.fromMs).toISOString(),
        to: new Date(plan.toMs).toISOString(),
        ...coverage,
        metrics: page.buckets.map(view),
      };
    },
  );
}

function toBucketView(
  bucket: MetricsBucket,
  plan: MetricsPlan,
  spans: readonly ScheduleSpan[],
  nowMs: number,
  cronSlots: ApiDependencies['cronSlots'],
): Record<string, unknown> {
  const toMs = plan.bucketMs === null ? plan.toMs : bucket.fromMs + plan.bucketMs;
  const due = countDue(spans, { fromMs: bucket.fromMs, toMs }, nowMs, cronSlots);
  const { count: counted, up, degraded, down, missed, rtCount, rtMin, rtMax, rtSum } = bucket;
  const { coverage, known } = toCoverage(due, bucket);
  const percentiles = plan.percentiles.map((rank) => [String(rank), toSeconds(boundedPercentile(bucket, rank))]);
  return {
    from: new Date(bucket.fromMs).toISOString(),
    to: new Date(toMs).toISOString(),
    ...{ count: counted, up, degraded, down, missed },
    uptime: uptimeOf(bucket),
    due,
    coverage,
    known,
    rt_count: rtCount,
    rt_min: toSeconds(rtMin),
    rt_avg: rtCount === 0 ? null : rtSum / rtCount / 1e6,
    rt_max: toSeconds(rtMax),
    rt_min_us: rtMin,
    rt_max_us: rtMax,
    rt_sum_us: rtSum,
    percentiles: Object.fromEntries(percentiles),
    data: bucket.data,
    reasons: bucket.reasons,
    extra: mergeExtras(bucket.extras),
  };
}

/** The middle of a bin may lie beyond what was measured; the exact ends are known. */
function boundedPercentile({ histogram, rtMin, rtMax }: MetricsBucket, rank: number): number | null {
  const value = percentileOf(histogram, rank);
  if (value === null || rtMin === null || rtMax === null) return value;
  return Math.min(Math.max(value, rtMin), rtMax);
}

function toSeconds(rtMicros: number | null): number | null {
  return rtMicros === null ? null : rtMicros / 1e6;
}
