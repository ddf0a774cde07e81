import { addCounters, type PartitionCounters } from './tables/offsets.ts';
import type { Delta } from './writing/delta.ts';

interface PartitionStats {
  topic: string;
  partition: number;
  /** The offset after the last one in the database; null: nothing was ever counted. */
  nextOffset: number | null;
  /** Records in the stream that are not counted yet, as far as known. */
  lag: number;
}

/** Numbers since this processor started; what is in them is in the database. */
export interface ProcessorStats extends PartitionCounters {
  records: number;
  /** The same, by why. */
  refused: Readonly<Record<string, number>>;
  /** Partitions taken away between counting and writing. Their records are read again by the new owner. */
  lostDeltas: number;
  partitions: PartitionStats[];
  lag: number;
  flushes: number;
  lastFlushMs: number | null;
  maxFlushMs: number;
  totalFlushMs: number;
  /** Wall time in ms. */
  lastFlushAt: number | null;
  /** Since when the database has been away, wall time in ms; null when it is there. */
  failingSince: number | null;
  /** The last error of the stream while it cannot be read; null when it can. */
  streamProblem: string | null;
  /** Present reasons why it does not count; without a topic all partitions are meant. */
  problems: Array<{ topic?: string; partition?: number; reason: string }>;
  catchingUp: boolean;
}

/** The part of the numbers that flushes move. */
export class Totals implements PartitionCounters {
  records = 0;
  results = 0;
  foreign = 0;
  duplicates = 0;
  fenced = 0;
  deadLetters = 0;
  lostDeltas = 0;
  flushes = 0;
  lastFlushMs: number | null = null;
  maxFlushMs = 0;
  totalFlushMs = 0;
  lastFlushAt: number | null = null;

  flushed(deltas: readonly Delta[], tookMs: number, wallMs: number): void {
    this.flushes++;
    this.lastFlushMs = tookMs;
    this.maxFlushMs = Math.max(this.maxFlushMs, tookMs);
    this.totalFlushMs += tookMs;
    this.lastFlushAt = wallMs;
    for (const { step, records } of deltas) {
      this.records += records;
      addCounters(this, step);
    }
  }
}
