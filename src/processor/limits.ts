/** How much a processor holds before it writes. */
export interface ProcessorLimits {
  /** Rows of metrics and series held at most before they are written (processor.flush_rows). */
  rows: number;
  /** Results held at most before they are written. Default 200,000. */
  results: number;
  /** Bytes of raw results and dead letters held at most before they are written. Default 8 MiB. */
  bytes: number;
  /** A partition is caught up with while its newest record is older than this. Default 10,000. */
  catchUpAfterMs: number;
  /** A partition that has had more to read for so long without a pause is caught up with, too. Default 1,000. */
  behindMs: number;
  /** While catching up, rows are held longer, so that those of hours and days are written seldom. Default 200,000. */
  catchUpRows: number;
  /** And so many results. Default 1,000,000. */
  catchUpResults: number;
  /** The flush interval while catching up. Default 5,000. */
  catchUpIntervalMs: number;
  /** A result that changes the outcome of its series is written so soon after the flush before. Default 250. */
  urgentIntervalMs: number;
  /** Series kept in memory per partition. Default 500,000. */
  series: number;
  /** How long `stop` tries to write what is counted. Default 5,000. */
  stopMs: number;
}

export const DEFAULT_LIMITS: Omit<ProcessorLimits, 'rows'> = {
  results: 200_000,
  bytes: 8 * 1024 * 1024,
  catchUpAfterMs: 10_000,
  behindMs: 1_000,
  catchUpRows: 200_000,
  catchUpResults: 1_000_000,
  catchUpIntervalMs: 5_000,
  urgentIntervalMs: 250,
  series: 500_000,
  stopMs: 5_000,
};
