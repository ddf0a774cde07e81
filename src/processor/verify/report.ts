import type { CoverageReport } from './coverage.ts';
import type { RowDifference } from './rows.ts';
import type { Difference } from './shadow/rows.ts';

/** A partition from which more (or less) was counted than its log, seemingly whole, holds: its topic was replaced. */
interface UnequalPartition {
  topic: string;
  partition: number;
  counted: number;
  found: number;
}

/** A time range of which nothing is claimed. */
interface NotCovered {
  granularity: string;
  fromMs: number;
  toMs: number;
  why: string;
}

export interface VerifyReport {
  fromMs: number;
  toMs: number;
  /** No difference, no gap in the coverage, and something was judged. */
  ok: boolean;
  records: number;
  /** Slots and foreign lines counted again. */
  results: number;
  /** Rows whose every column is what the log says. */
  equalRows: number;
  differences: Difference[];
  differenceCount: number;
  /** Differences that may come from what the log no longer has (an epoch raised there), or from a series in two partitions. */
  unprovable: Difference[];
  unprovableCount: number;
  /** Rows of other tables that are not what the log says. */
  rowDifferences: RowDifference[];
  rowDifferenceCount: number;
  notCovered: NotCovered[];
  unequalPartitions: UnequalPartition[];
  /** Series that are counted further than their offset says: a record of very long gaps is being counted in parts. */
  aheadSeries: number;
  /** Until when the log lacks results, ms since the epoch; null when it has all of the range. */
  removedUntilMs: number | null;
  coverage: CoverageReport;
}

export function emptyReport(fromMs: number, toMs: number): VerifyReport {
  return {
    fromMs,
    toMs,
    ok: false,
    records: 0,
    results: 0,
    equalRows: 0,
    differences: [],
    differenceCount: 0,
    unprovable: [],
    unprovableCount: 0,
    rowDifferences: [],
    rowDifferenceCount: 0,
    notCovered: [],
    unequalPartitions: [],
    aheadSeries: 0,
    removedUntilMs: null,
    coverage: { series: 0, due: 0, counted: 0, overdue: 0, pending: 0, gaps: [], unknown: [] },
  };
}
