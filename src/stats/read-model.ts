import type { Database } from '../postgres/database.ts';
import { gridOf, widen } from './buckets.ts';
import { limitTo } from './limit-to.ts';
import { type JobNumbers, meanSeconds, type Numbers, toNumbers } from './numbers.ts';
import { type Coverage, sumTallies, toCoverage, uptimeOf } from './outcomes.ts';
import { readCoverage, readCoverages, readTally } from './queries/coverage.ts';
import { type DeadLettersQuery, readDeadLetters, type StoredDeadLetter } from './queries/dead-letters.ts';
import { type DatabaseFacts, readDatabaseFacts } from './queries/facts.ts';
import { type FoundMembers, type MembersQuery, readMembers } from './queries/members.ts';
import { type MetricsQuery, type OverviewBucket, readMetrics, readOverview } from './queries/metrics.ts';
import { type ResultsPage, type ResultsQuery, readResults } from './queries/results.ts';
import {
  countSeries,
  isKnownId,
  type NumberedJob,
  readJoblessIds,
  readSeries,
  type SeriesFilter,
  type SeriesPage,
  type SeriesQuery,
} from './queries/series.ts';
import { type CronSlotCounter, countDue, countRunningJobs, readSpans, type ScheduleSpan } from './queries/spans.ts';
import {
  type FleetTotals,
  type JobState,
  readFleetTotals,
  readJobStates,
  readSeriesTotals,
  type SeriesTotals,
} from './queries/states.ts';
import { readJobsWithin } from './queries/within.ts';
import type { TimeRange } from './time-range.ts';

interface JobScope extends TimeRange {
  jobId: number;
  /** All locations together when absent. */
  location?: string | undefined;
}

interface CoverageQuery extends JobScope {
  granularity: string;
  /** Slots up to now are due. */
  nowMs: number;
}

interface BucketsQuery extends Omit<MetricsQuery, 'histogram'>, CoverageQuery {
  /** Ranks of the percentiles, above 0 and up to 100. */
  percentiles: readonly number[];
}

interface BucketsPage {
  /** Buckets with results; others are left out. */
  buckets: Numbers[];
  /** Whether buckets follow the last one. */
  more: boolean;
  /** Over the whole range. */
  coverage: Coverage;
  /** Whether the job was scheduled at any time of the range. */
  isScheduled: boolean;
}

interface NumbersQuery extends TimeRange {
  /** All locations together when absent. */
  location?: string | undefined;
  granularity: { name: string; durationMs: number };
  percentiles: readonly number[];
  nowMs: number;
}

interface OverviewQuery extends TimeRange {
  jobIds: readonly number[];
  granularity: string;
  /** Slots up to then are due. */
  dueUntilMs: number;
}

/** A job on an overview: its rows, oldest first, and the numbers of the whole range. */
export interface JobOverview {
  buckets: OverviewBucket[];
  uptime: number | null;
  known: number | null;
  meanSeconds: number | null;
}

/**
 * Reads for people and programs: the API, the page and the command line see the numbers through it alone. Nothing is
 * written. Methods reject when the database is away or its tables are missing, see `whyUnavailable`.
 */
export interface ReadModel {
  /** The same numbers as far as they are of jobs with one of these tags; others are as if they were not there. */
  within(tags: readonly string[]): ReadModel;
  readonly databaseName: string;
  readonly schema: string;
  /** Opens a connection, so that the first read need not. */
  connect(): Promise<void>;
  /** The numbers of a job over a range, which is widened to whole rows. */
  numbers(job: NumberedJob, query: NumbersQuery): Promise<JobNumbers>;
  /** One page of buckets. The range should lie on bounds of stored rows. */
  buckets(query: BucketsQuery): Promise<BucketsPage>;
  coverage(query: CoverageQuery): Promise<Coverage>;
  /** Of each of the jobs; one without rows has an empty overview. */
  overview(query: OverviewQuery): Promise<Map<number, JobOverview>>;
  /** Raw results of a job, newest first. */
  results(query: ResultsQuery): Promise<ResultsPage>;
  /** The states of the jobs; a job that never ran has empty numbers. */
  states(jobIds: readonly number[], nowMs: number): Promise<Map<number, JobState>>;
  /** The states of jobs for those who judge by them, whoever asks. */
  members(query: Omit<MembersQuery, 'cronSlots'>): Promise<FoundMembers>;
  /** The spans of a job that overlap the range, oldest first. */
  spans(scope: JobScope): Promise<ScheduleSpan[]>;
  /** Series by job, location and topic. */
  series(query: SeriesQuery): Promise<SeriesPage>;
  countSeries(filter: SeriesFilter): Promise<number>;
  /** Totals of at most `limit` series, by job and location. */
  seriesTotals(limit: number): Promise<SeriesTotals[]>;
  fleetTotals(): Promise<FleetTotals>;
  /** Jobs that run at these locations; one that runs at several counts once. */
  countRunningJobs(locations: readonly string[]): Promise<number>;
  /** Whether anything was ever counted or scheduled under an id. */
  isKnownId(jobId: number): Promise<boolean>;
  /** Ids without a job that may have numbers, of the given ones or of all (null). */
  joblessIds(jobIds: readonly number[] | null): Promise<NumberedJob[]>;
  databaseFacts(): Promise<DatabaseFacts>;
  /** Dead letters, newest first. */
  deadLetters(query: DeadLettersQuery): Promise<StoredDeadLetter[]>;
}

export interface ReadModelOptions {
  database: Database;
  cronSlots: CronSlotCounter;
}

export function createReadModel({ database, cronSlots }: ReadModelOptions): ReadModel {
  async function buckets({ percentiles, nowMs, ...query }: BucketsQuery): Promise<BucketsPage> {
    const [page, spans, tally] = await Promise.all([
      readMetrics(database, { ...query, histogram: percentiles.length > 0 }),
      readSpans(database, query),
      readTally(database, query),
    ]);
    const dueIn = (range: TimeRange) => countDue(spans, range, nowMs, cronSlots);
    return {
      buckets: page.buckets.map((bucket) => {
        const toMs = query.bucketMs === null ? query.toMs : bucket.fromMs + query.bucketMs;
        const range = { fromMs: bucket.fromMs, toMs };
        return toNumbers(bucket, range, { due: dueIn(range), ranks: percentiles });
      }),
      more: page.more,
      coverage: toCoverage(dueIn(query), tally),
      isScheduled: spans.length > 0,
    };
  }

  const model: ReadModel = {
    within: (tags) => limitTo(model, tags, (jobIds) => readJobsWithin(database, jobIds, tags)),
    databaseName: database.databaseName,
    schema: database.schema,
    connect: async () => void (await database.query('SELECT 1')),
    buckets,
    async numbers(job, { granularity, percentiles, nowMs, location, ...given }) {
      const range = widen(given, gridOf(granularity.durationMs));
      const whole = { bucketMs: null, bucketOffsetMs: 0, limit: 1, order: 'asc' } as const;
      const scope = { ...range, jobId: job.jobId, location, granularity: granularity.name };
      const page = await buckets({ ...scope, ...whole, percentiles, nowMs });
      const { due } = page.coverage;
      return { ...job, ...(page.buckets[0] ?? toNumbers(undefined, range, { due, ranks: percentiles })) };
    },
    coverage: (query) => readCoverage(database, { ...query, cronSlots }),
    async overview({ jobIds, dueUntilMs, ...range }) {
      const byJob = new Map(jobIds.map((jobId): [number, OverviewBucket[]] => [jobId, []]));
      for (const bucket of await readOverview(database, { ...range, jobIds })) byJob.get(bucket.jobId)?.push(bucket);
      const coverages = await readCoverages(database, { ...range, tallies: byJob, nowMs: dueUntilMs, cronSlots });
      return new Map([...byJob].map(([jobId, rows]) => [jobId, toOverview(rows, coverages.get(jobId)?.known ?? null)]));
    },
    results: (query) => readResults(database, query),
    states: (jobIds, nowMs) => readJobStates(database, jobIds, nowMs),
    members: (query) => readMembers(database, { ...query, cronSlots }),
    spans: (scope) => readSpans(database, scope),
    series: (query) => readSeries(database, query),
    countSeries: (filter) => countSeries(database, filter),
    seriesTotals: (limit) => readSeriesTotals(database, limit),
    fleetTotals: () => readFleetTotals(database),
    countRunningJobs: (locations) => countRunningJobs(database, locations),
    isKnownId: (jobId) => isKnownId(database, jobId),
    joblessIds: (jobIds) => readJoblessIds(database, jobIds),
    databaseFacts: () => readDatabaseFacts(database),
    deadLetters: (query) => readDeadLetters(database, query),
  };
  return model;
}

function toOverview(buckets: OverviewBucket[], known: number | null): JobOverview {
  const sums = { rtSum: 0, rtCount: 0 };
  for (const { rtSum, rtCount } of buckets) {
    sums.rtSum += rtSum;
    sums.rtCount += rtCount;
  }
  return { buckets, uptime: uptimeOf(sumTallies(buckets)), known, meanSeconds: meanSeconds(sums) };
}
