/**
 * What one of each costs, as measured: the only numbers that `vedette plan` and the guide compute with. Times are CPU time
 * of one core of a 2-core AMD EPYC (Node.js 20.20, PostgreSQL 18.4); measure again where it matters.
 */

/** A cost that depends on how many share it: measured points, ascending; between them it changes with the logarithm. */
export type Curve = ReadonlyArray<readonly [count: number, cost: number]>;

export interface MeasuredCost<Value> {
  value: Value;
  unit: string;
  /** The benchmark, and when it ran. */
  measured: string;
}

const ROW_SIZES = 'benchmarks/row-sizes.ts, 2026-11-21';
const SCHEDULER = 'benchmarks/scheduler-100k.ts with 5 000 and 50 000 jobs, 2026-11-21';

const cost = <Value>(value: Value, unit: string, measured: string): MeasuredCost<Value> => ({ value, unit, measured });

export const COSTS = {
  /** With index and room for updates; a row grows with its histogram of response times. */
  metricRow: cost<Curve>(
    [
      [1, 403],
      [60, 1_024],
      [1_440, 5_734],
    ],
    'bytes on disk of a row of metrics, by the results in it',
    ROW_SIZES,
  ),
  resultRow: cost(283, 'bytes on disk of a raw result', ROW_SIZES),
  seriesRow: cost(700, 'bytes on disk of the progress of a job at a location', ROW_SIZES),
  jobRow: cost(940, 'bytes on disk of a job: its definition, version and span', ROW_SIZES),
  embeddedRecord: cost<Curve>(
    [
      [1, 486],
      [10, 101],
      [100, 67],
      [1_000, 36],
    ],
    'bytes on disk of a result in the embedded stream, by the results in a block',
    ROW_SIZES,
  ),
  kafkaRecord: cost<Curve>(
    [
      [1, 381],
      [10, 86],
      [100, 52],
      [1_000, 48],
    ],
    'bytes in the log of Kafka (lz4) of a result, by the results in a block',
    ROW_SIZES,
  ),
} as const;
