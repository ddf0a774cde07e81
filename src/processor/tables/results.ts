import { elementAt } from '../../core/element-at.ts';
import { joinCopies } from '../../postgres/copy-buffer.ts';
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
  '"values"',
  'maintenance',
  'topic',
  'partition',
  'record_offset',
  'record_position',
] as const;

export const RESULT_FIELDS = RESULT_COLUMNS.length;

/** Appends raw results, given as lists of rows in the binary form of COPY. Their partitions must be there. */
export async function copyResults(tx: Transaction, copies: ReadonlyArray<readonly Buffer[]>): Promise<void> {
  const chunks = joinCopies(copies);
  if (chunks.length > 0) await tx.copyFrom(`results (${RESULT_COLUMNS.join(', ')})`, chunks, 'binary');
}

/** A row of a line of which only the last slots counted. */
export interface PartRow {
  jobId: number;
  location: string;
  /** The slot, ms since the epoch. */
  atMs: number;
  offset: number;
  position: number;
}

/**
 * Leaves one row, that with the most slots, of each line of these rows, which are of one partition of a topic. Such a
 * line may have been counted in parts, and its first row committed before a crash. Another line of the same slots is
 * another result and keeps its row. Rows of earlier versions do not know their position; offset, series and slot tell
 * them too.
 */
export async function deleteRepeatedParts(
  tx: Transaction,
  topic: string,
  partition: number,
  parts: readonly PartRow[],
): Promise<void> {
  if (parts.length === 0) return;
  // The subquery looks each line up in the index of its series; as a join it may read whole tables.
  const { rows } = await tx.query<{ index: number }>(
    `SELECT part.index - 1 AS index
     FROM unnest($3::int[], $4::text[], $5::bigint[], $6::bigint[], $7::int[]) WITH ORDINALITY
       AS part (job_id, location, at_ms, record_offset, record_position, index)
     WHERE (
       SELECT count(*) FROM results AS r
       WHERE r.job_id = part.job_id AND r.at = to_timestamp(part.at_ms / 1e3::double precision)
         AND r.location = part.location AND r.topic = $1 AND r.partition = $2 AND r.record_offset = part.record_offset
         AND (r.record_position IS NULL OR r.record_position = part.record_position)
     ) > 1`,
    [
      ...[topic, partition],
      parts.map(({ jobId }) => jobId),
      parts.map(({ location }) => location),
      parts.map(({ atMs }) => atMs),
      parts.map(({ offset }) => offset),
      parts.map(({ position }) => position),
    ],
  );
  // One at most after a crash: that which was cut.
  for (const { index } of rows) {
    const { jobId, location, atMs, offset, position } = elementAt(parts, index);
    await tx.query(
      `WITH line AS MATERIALIZED (
         SELECT tableoid AS tab, ctid AS row, slots FROM results
         WHERE topic = $1 AND partition = $2 AND job_id = $3 AND location = $4
           AND at = to_timestamp($5 / 1e3::double precision) AND record_offset = $6
           AND (record_position IS NULL OR record_position = $7)
       )
       DELETE FROM results AS r USING line
       WHERE r.job_id = $3 AND r.at = to_timestamp($5 / 1e3::double precision)
         AND r.tableoid = line.tab AND r.ctid = line.row
         AND EXISTS (SELECT FROM line AS other WHERE (other.slots, other.row) > (line.slots, line.row))`,
      [topic, partition, jobId, location, atMs, offset, position],
    );
  }
}
