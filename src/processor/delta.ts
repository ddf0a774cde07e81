import type { MetricDeltas } from '../aggregates/metric-deltas.ts';
import type { DeadLetter } from '../storage/processor-dead-letters.ts';
import type { OffsetStep } from '../storage/processor-offsets.ts';
import type { SeriesDelta } from '../storage/processor-series.ts';
import type { AssignedPartition } from './partition.ts';
import type { RawResultsTaken } from './raw-results.ts';

/** Everything the records of one stretch of one partition change. It is written whole or not at all. */
export interface Delta {
  /** The assignment it belongs to; `dropped` once that has ended. */
  readonly owner: AssignedPartition;
  readonly step: OffsetStep;
  readonly records: number;
  readonly series: SeriesDelta;
  readonly metrics: MetricDeltas;
  readonly results: RawResultsTaken;
  readonly deadLetters: readonly DeadLetter[];
}
