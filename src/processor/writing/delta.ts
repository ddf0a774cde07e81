import type { MetricDeltas } from '../../aggregates/accumulator/deltas.ts';
import type { AssignedPartition } from '../counting/partition.ts';
import type { RawResultsTaken } from '../counting/raw-results.ts';
import type { DeadLetter } from '../tables/dead-letters.ts';
import type { OffsetStep } from '../tables/offsets.ts';
import type { SeriesDelta } from '../tables/series.ts';

/** All changes by consecutive records of one partition. They are written together or not at all. */
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
