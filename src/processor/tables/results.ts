import type { Transaction } from '../../postgres/database.ts';

/** The order of the fields in rows given to `copyResults`. */
const RESULT_COLUMNS = [
  'job_id',
  'location',
  'at',
  'epoch',
  'slot',
  'slots',
  'period_ms',
  'ts',
  'outcome',
  'reason',
  'status',
  'rt',
  'timings',
  'bytes',
  'attempt',
  'detail',
  'topic',
  'partition',
  'record_offset',
  'record_position',
] as const;

export const RESULT_FIELDS = RESULT_COLUMNS.length;

/** Appends raw results, given as rows in the binary form of COPY with its header. Their partitions must be there. */
export async function copyResults(tx: Transaction, chunks: readonly Buffer[]): Promise<void> {
  if (chunks.length > 0) await tx.copyFrom(`results (${RESULT_COLUMNS.join(', ')})`, chunks, 'binary');
}
