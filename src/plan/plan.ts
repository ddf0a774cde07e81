import { COSTS, type Curve } from './costs.ts';
import { GRANULARITIES, type Granularity, type Workload } from './workload.ts';

const SECOND_MS = 1_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** Half a core: the rest is for peaks and for catching up after an outage. */
const TARGET_CORES = 0.5;
/** Above this load of PostgreSQL the stream belongs elsewhere. */
const POSTGRES_CORES = 1;

/** PostgreSQL writes the whole page at its first change after a checkpoint (checkpoint_timeout). */
const CHECKPOINT_MS = 300_000;

/** See push/reports.ts. */
const REPORTS_KEPT_MS = 7 * DAY_MS;

const BUCKET_MS: Readonly<Record<Granularity, number>> = { minute: 60_000, hour: HOUR_MS, day: DAY_MS };
/** Retention drops whole partitions, so rows stay up to the length of one longer: see migrations/0002-partitions.sql. */
const PARTITION_MS = { minute: DAY_MS, hour: 31 * DAY_MS, day: 366 * DAY_MS, results: 4 * HOUR_MS, stream: HOUR_MS };

export interface TablePlan {
  name: string;
  /** Its place; with `kafka`, all copies of it. */
  place: 'postgres' | 'kafka';
  keptMs: number | null;
  rows: number;
  bytes: number;
}

export interface ProcessPlan {
  role: 'all' | 'api' | 'scheduler' | 'processor';
  /** Number of processes, including the spare one. */
  count: number;
  /** CPU of each working process, in cores. */
  cores: number;
  memoryBytes: number;
}

export interface Plan {
  jobs: number;
  checksPerSecond: number;
  /** Of the programs of push jobs, one for each slot. */
  reportsPerSecond: number;
  resultsPerDay: number;
  checksUnderWay: number;
  tables: TablePlan[];
  /** On the disk of PostgreSQL, and over all brokers of Kafka. */
  diskBytes: { postgres: number; kafka: number };
  postgres: { cores: number; rowsPerSecond: number; walBytesPerSecond: number; walBytesPerDay: number };
  network: { checksBytesPerSecond: number; streamBytesPerSecond: number };
  partitions: { given: number; needed: number };
  processes: ProcessPlan[];
  /** The smallest deployment that suffices. */
  shape: 'one process' | 'roles apart' | 'roles apart, on Kafka';
}

/** Computes sizes; no machine is queried. */
export function plan(workload: Workload): Plan {
  const { groups, responseSeconds, partitions } = workload;
  const jobs = sum(groups, (group) => group.jobs);
  const rates = ratesOf(workload);
  const { checksPerSecond, reportsPerSecond, resultsPerSecond } = rates;
  const tables = planTables(workload, rates);
  const postgres = planPostgres(workload, rates);
  const { processes, shape } = planProcesses(workload, jobs, rates, postgres.cores);
  const processors = processes.find(({ role }) => role === 'processor')?.count ?? 1;
  const placed = (place: TablePlan['place']) => sum(tables, (table) => (table.place === place ? table.bytes : 0));
  return {
    jobs,
    checksPerSecond,
    reportsPerSecond,
    resultsPerDay: (resultsPerSecond * DAY_MS) / SECOND_MS,
    checksUnderWay: Math.ceil(checksPerSecond * responseSeconds),
    tables,
    diskBytes: { postgres: placed('postgres'), kafka: placed('kafka') },
    postgres,
    network: {
      checksBytesPerSecond: checksPerSecond * (workload.responseBytes + COSTS.checkTraffic.value),
      streamBytesPerSecond: resultsPerSecond * recordBytes(workload, resultsPerSecond),
    },
    // Three partitions for each processor, so that the work is shared evenly and more processors can be added.
    partitions: { given: partitions, needed: Math.max(12, 12 * Math.ceil((3 * processors) / 12)) },
    processes,
    shape,
  };
}

interface Rates {
  checksPerSecond: number;
  reportsPerSecond: number;
  /** Of both. */
  resultsPerSecond: number;
}

function ratesOf({ groups }: Workload): Rates {
  const rate = (isOf: boolean) =>
    sum(groups, ({ jobs, periodMs, isReported = false }) => (isReported === isOf ? (jobs * SECOND_MS) / periodMs : 0));
  const [checksPerSecond, reportsPerSecond] = [rate(false), rate(true)];
  return { checksPerSecond, reportsPerSecond, resultsPerSecond: checksPerSecond + reportsPerSecond };
}

function planTables(workload: Workload, { reportsPerSecond, resultsPerSecond }: Rates): TablePlan[] {
  const { groups, retention, store, stream, failureShare, replication } = workload;
  const jobs = sum(groups, (group) => group.jobs);
  const stored = { all: 1, failures: failureShare, none: 0 }[store];
  const results = (resultsPerSecond * stored * held(workload, 'results')) / SECOND_MS;
  const records = (resultsPerSecond * held(workload, 'stream')) / SECOND_MS;
  const reports = (reportsPerSecond * Math.min(workload.afterMs, REPORTS_KEPT_MS)) / SECOND_MS;
  const copies = stream === 'kafka' ? replication : 1;
  return [
    ...GRANULARITIES.map((granularity) => planGranularity(workload, granularity)),
    {
      name: 'results',
      place: 'postgres',
      keptMs: retention.results,
      rows: results,
      bytes: results * COSTS.resultRow.value,
    },
    {
      name: stream === 'kafka' ? `topic, ${replication} copies` : 'stream',
      place: stream === 'kafka' ? 'kafka' : 'postgres',
      keptMs: retention.stream,
      rows: records,
      bytes: records * recordBytes(workload, resultsPerSecond) * copies,
    },
    ...(reports > 0 ? [reportsTable(reports)] : []),
    {
      name: 'jobs and their progress',
      place: 'postgres',
      keptMs: null,
      rows: jobs,
      bytes: jobs * (COSTS.jobRow.value + COSTS.seriesRow.value),
    },
  ];
}

function reportsTable(rows: number): TablePlan {
  const bytes = rows * COSTS.reportRow.value;
  return { name: 'reports of push jobs', place: 'postgres', keptMs: REPORTS_KEPT_MS, rows, bytes };
}

function planGranularity(workload: Workload, granularity: Granularity): TablePlan {
  const bucketMs = BUCKET_MS[granularity];
  const heldMs = held(workload, granularity);
  // An unfinished bucket has a row too, and a job that is slower than the buckets has rows only for its results.
  const sizes = workload.groups.map(({ jobs, periodMs }) => {
    const rows = jobs * Math.max(1, heldMs / Math.max(bucketMs, periodMs));
    return { rows, bytes: rows * at(COSTS.metricRow.value, Math.max(1, Math.min(bucketMs, heldMs) / periodMs)) };
  });
  return {
    name: `numbers per ${granularity}`,
    place: 'postgres',
    keptMs: workload.retention[granularity],
    rows: sum(sizes, ({ rows }) => rows),
    bytes: sum(sizes, ({ bytes }) => bytes),
  };
}

/** Returns the time that is on disk just before the oldest partition is dropped. */
function held({ retention, afterMs }: Workload, what: keyof typeof PARTITION_MS): number {
  const kept = retention[what];
  return kept === null ? afterMs : Math.min(afterMs, kept + PARTITION_MS[what]);
}

function planPostgres(workload: Workload, { resultsPerSecond, reportsPerSecond }: Rates): Plan['postgres'] {
  const { stream, flushIntervalMs, lingerMs, store, failureShare } = workload;
  const writesRaw = { all: 1, failures: failureShare, none: 0 }[store];
  const flushes = timesPerSecond(resultsPerSecond, flushIntervalMs);
  const sends = stream === 'embedded' ? timesPerSecond(resultsPerSecond, lingerMs) : 0;
  const { postgresFlush, postgresResult, postgresReport, embeddedSend, walFlush, walResult, walReport } = COSTS;
  const counting = flushes * postgresFlush.value + resultsPerSecond * postgresResult.value;
  const micros = counting + sends * embeddedSend.value + reportsPerSecond * postgresReport.value;
  const streamBytes = stream === 'embedded' ? resultsPerSecond * recordBytes(workload, resultsPerSecond) : 0;
  const counted = flushes * walFlush.value + resultsPerSecond * walResult.value;
  const changes = counted + streamBytes + reportsPerSecond * walReport.value;
  const walBytesPerSecond = changes + wholePagesPerSecond(workload);
  return {
    cores: micros / 1e6,
    // A row of each granularity, one of the job's progress, and the raw result.
    rowsPerSecond: resultsPerSecond * (4 + writesRaw) + reportsPerSecond,
    walBytesPerSecond,
    walBytesPerDay: (walBytesPerSecond * DAY_MS) / SECOND_MS,
  };
}

/** Returns how often a second something is done with what has come, at most once an interval. */
function timesPerSecond(resultsPerSecond: number, intervalMs: number): number {
  return Math.min(resultsPerSecond, SECOND_MS / intervalMs);
}

/** Whole pages of rows that change repeatedly: those of the current hour and day, and of the progress of jobs. */
function wholePagesPerSecond({ groups }: Workload): number {
  return sum(groups, ({ jobs, periodMs }) => {
    const rows = [HOUR_MS, DAY_MS].map((bucketMs) => at(COSTS.metricRow.value, Math.max(1, bucketMs / periodMs)));
    const bytes = jobs * (sum(rows, (row) => row) + COSTS.seriesRow.value);
    return (bytes * SECOND_MS) / Math.max(CHECKPOINT_MS, periodMs);
  });
}

function planProcesses(
  workload: Workload,
  jobs: number,
  { checksPerSecond, reportsPerSecond, resultsPerSecond }: Rates,
  postgresCores: number,
) {
  const { stream } = workload;
  const { schedulerBase, schedulerCheck, schedulerReport, processorFlush, processorResult, apiBase, apiReport } = COSTS;
  const { schedulerMemory, schedulerJobMemory, processMemory, processorSeriesMemory } = COSTS;
  const flushes = timesPerSecond(resultsPerSecond, workload.flushIntervalMs);
  const slots = (checksPerSecond * schedulerCheck.value + reportsPerSecond * schedulerReport.value) / 1e6;
  const taking = (reportsPerSecond * apiReport.value) / 1e6;
  const counting = (flushes * processorFlush.value + resultsPerSecond * processorResult.value) / 1e6;
  const whole = schedulerBase.value + slots + taking + counting;
  if (stream === 'embedded' && whole <= TARGET_CORES && postgresCores <= TARGET_CORES) {
    const memoryBytes = schedulerMemory.value + jobs * (schedulerJobMemory.value + processorSeriesMemory.value);
    const all: ProcessPlan = { role: 'all', count: 1, cores: whole, memoryBytes };
    return { processes: [all], shape: 'one process' as const };
  }
  const schedulers = Math.ceil(slots / (TARGET_CORES - schedulerBase.value));
  const processors = Math.ceil(counting / TARGET_CORES);
  const takers = Math.ceil(taking / (TARGET_CORES - apiBase.value));
  const processes: ProcessPlan[] = [
    {
      role: 'api',
      count: Math.max(1, takers) + 1,
      cores: apiBase.value + taking / Math.max(1, takers),
      memoryBytes: processMemory.value,
    },
    {
      role: 'scheduler',
      count: Math.max(1, schedulers) + 1,
      cores: schedulerBase.value + slots / Math.max(1, schedulers),
      memoryBytes: schedulerMemory.value + (jobs / Math.max(1, schedulers)) * schedulerJobMemory.value,
    },
    {
      role: 'processor',
      count: Math.max(1, processors) + 1,
      cores: counting / Math.max(1, processors),
      memoryBytes: processMemory.value + (jobs / Math.max(1, processors)) * processorSeriesMemory.value,
    },
  ];
  const wantsKafka = stream === 'kafka' || postgresCores > POSTGRES_CORES;
  return { processes, shape: wantsKafka ? ('roles apart, on Kafka' as const) : ('roles apart' as const) };
}

/** Returns the bytes of a result in the stream, by the number of results in a block. */
function recordBytes({ stream, lingerMs, partitions }: Workload, resultsPerSecond: number): number {
  const lines = (resultsPerSecond * lingerMs) / SECOND_MS / partitions;
  return at(stream === 'kafka' ? COSTS.kafkaRecord.value : COSTS.embeddedRecord.value, Math.max(1, lines));
}

/** Returns the cost at `count`: interpolated along the logarithm between measured points, constant beyond them. */
export function at(curve: Curve, count: number): number {
  const after = curve.findIndex(([known]) => known >= count);
  if (after === 0) return (curve[0] as Curve[number])[1];
  if (after < 0) return (curve.at(-1) as Curve[number])[1];
  const [fromCount, from] = curve[after - 1] as Curve[number];
  const [toCount, to] = curve[after] as Curve[number];
  return from + ((to - from) * Math.log(count / fromCount)) / Math.log(toCount / fromCount);
}

function sum<Item>(items: readonly Item[], value: (item: Item) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}
