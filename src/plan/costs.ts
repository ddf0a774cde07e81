/**
 * Measured costs, the only numbers that `vedette plan` and the guide use. CPU is that of one core of a 2-core AMD EPYC
 * (Node.js 20.20, PostgreSQL 18.4 with default settings); measure again where it matters.
 */

/** A cost that depends on how many share it: measured points, ascending, interpolated along the logarithm. */
export type Curve = ReadonlyArray<readonly [count: number, cost: number]>;

export interface MeasuredCost<Value> {
  value: Value;
  unit: string;
  /** The benchmark, and when it ran. */
  measured: string;
}

const cost = <Value>(value: Value, unit: string, measured: string): MeasuredCost<Value> => ({ value, unit, measured });

const ROW_SIZES = 'benchmarks/row-sizes.ts with 500 jobs for a day, 2026-11-21';
/** A line through the two runs: a fixed part and a part for each. */
const ROW_SIZES_TWICE = 'benchmarks/row-sizes.ts with 20 and with 500 jobs for a day, 2026-11-21';
const SCHEDULER_TWICE = 'benchmarks/scheduler-100k.ts with 5 000 and with 50 000 jobs, 2026-11-21';
const PUSH = 'benchmarks/push.ts with 1 000 jobs that report every 10 s, on a busy Intel Xeon, 2026-11-30';
const API = 'GET / asked once a second of a process with the role api alone, 2026-11-21';

export const COSTS = {
  // Disk.
  metricRow: cost<Curve>(
    [
      [1, 402],
      [60, 558],
      [1_440, 2_130],
    ],
    'bytes of a row of metrics with its index and room for updates, by the results in it',
    ROW_SIZES,
  ),
  resultRow: cost(271, 'bytes of a raw result with its index', ROW_SIZES),
  seriesRow: cost(1_540, 'bytes of the progress of a job at a location', ROW_SIZES),
  jobRow: cost(940, 'bytes of a job: its definition, version and span', ROW_SIZES),
  reportRow: cost(175, 'bytes of a report of a push job with its indexes', PUSH),
  embeddedRecord: cost<Curve>(
    [
      [1, 486],
      [10, 101],
      [100, 67],
      [1_000, 36],
    ],
    'bytes of a result in the embedded stream, by the results in a block',
    ROW_SIZES,
  ),
  kafkaRecord: cost<Curve>(
    [
      [1, 381],
      [10, 86],
      [100, 52],
      [1_000, 48],
    ],
    'bytes of a result in the log of Kafka (lz4), by the results in a block',
    ROW_SIZES,
  ),

  // PostgreSQL.
  postgresFlush: cost(3_450, 'CPU microseconds of PostgreSQL for a flush of a processor', ROW_SIZES_TWICE),
  postgresResult: cost(51, 'CPU microseconds of PostgreSQL for each result in a flush', ROW_SIZES_TWICE),
  embeddedSend: cost(1_260, 'CPU microseconds of PostgreSQL for a block that is appended and read', ROW_SIZES),
  postgresReport: cost(998, 'CPU microseconds of PostgreSQL for a report of a push job, written and read', PUSH),
  walReport: cost(263, 'bytes of WAL for a report of a push job', PUSH),
  walFlush: cost(1_540, 'bytes of WAL for a flush', ROW_SIZES_TWICE),
  walResult: cost(1_850, 'bytes of WAL for each result in a flush', ROW_SIZES_TWICE),

  // Processes of Vedette.
  schedulerBase: cost(0.07, 'cores of a scheduler that does little', SCHEDULER_TWICE),
  schedulerCheck: cost(253, 'CPU microseconds of a scheduler for an HTTP check, published', SCHEDULER_TWICE),
  schedulerReport: cost(704, 'CPU microseconds of a scheduler for a slot that is reported, published', PUSH),
  schedulerMemory: cost(144e6, 'bytes of memory of a scheduler with no jobs', SCHEDULER_TWICE),
  schedulerJobMemory: cost(1_980, 'bytes of memory of a scheduler for each job', SCHEDULER_TWICE),
  processorFlush: cost(6_900, 'CPU microseconds of a processor for a flush', ROW_SIZES_TWICE),
  processorResult: cost(33, 'CPU microseconds of a processor for each result', ROW_SIZES_TWICE),
  processorSeriesMemory: cost(3_650, 'bytes of memory of a processor for each job it counts', ROW_SIZES),
  apiReport: cost(774, 'CPU microseconds of the process that takes a report', PUSH),
  apiBase: cost(0.01, 'cores of a process that only answers', API),
  processMemory: cost(110e6, 'bytes of memory of a process without jobs', API),

  // Network.
  checkTraffic: cost(
    658,
    'bytes of a plain HTTP check over a fresh connection beside its answer',
    'benchmarks/check-traffic.ts, 2026-11-21',
  ),
} as const;
