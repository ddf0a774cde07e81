import { PackedCells } from '../../../aggregates/cell-sum.ts';
import { BINS } from '../../../aggregates/histogram.ts';
import { CopyBuffer } from '../../../postgres/copy-buffer.ts';
import type { WholeRow } from './memory.ts';
import type { CounterCodes, MetricValues } from './values.ts';

/** A row to be written. */
export interface CopiedRow extends WholeRow {
  /** What it is to replace; undefined: it is thought to be new. */
  base: MetricValues | undefined;
}

export const KEY_COLUMNS = ['granularity', 'job_id', 'location', 'dt'] as const;

/** What of a row is replaced by a later write. */
export const VALUE_COLUMNS = [
  'count',
  'up',
  'degraded',
  'down',
  'missed',
  'rt_count',
  'rt_min',
  'rt_max',
  'rt_sum',
  'data',
  'reasons',
  'rt_hist',
  'extra',
] as const;

/** The columns of a row of `metrics`. */
export const METRIC_COLUMNS = [...KEY_COLUMNS, ...VALUE_COLUMNS, 'writes'] as const;

/** The columns of copyRows, in their order. */
export const COPIED_COLUMNS = [...METRIC_COLUMNS, 'position'] as const;

/**
 * Rows as chunks for a binary COPY into COPIED_COLUMNS. `writes` is that of the values, and negative for a row that is to
 * replace one. `position` counts the rows from 0: PostgreSQL promises no order in which it gives rows back.
 */
export function* copyRows(rows: Iterable<CopiedRow>, codes: CounterCodes): Generator<Buffer> {
  const buffer = new CopyBuffer();
  const texts = new Map<string, Buffer>();
  const textOf = (text: string): Buffer => {
    let bytes = texts.get(text);
    if (!bytes) {
      bytes = Buffer.from(text);
      texts.set(text, bytes);
    }
    return bytes;
  };
  let position = 0;
  for (const { granularity, jobId, location, bucketMs, base, values } of rows) {
    const full = buffer.row(COPIED_COLUMNS.length);
    if (full) yield full;
    buffer.bytes(textOf(granularity));
    buffer.int4(jobId);
    buffer.bytes(textOf(location));
    buffer.timestamp(bucketMs);
    buffer.int8(values.up + values.degraded + values.down + values.missed);
    buffer.int8(values.up);
    buffer.int8(values.degraded);
    buffer.int8(values.down);
    buffer.int8(values.missed);
    buffer.int8(values.rtCount);
    if (values.rtMin < 0) buffer.null();
    else buffer.int8(values.rtMin);
    if (values.rtMax < 0) buffer.null();
    else buffer.int8(values.rtMax);
    buffer.int8(values.rtSum);
    counters(buffer, values.counters, codes, true);
    counters(buffer, values.counters, codes, false);
    buffer.latin1(values.bins);
    buffer.json(values.extra);
    buffer.int4(base ? -values.writes : values.writes);
    buffer.int4(position++);
  }
  yield buffer.end();
}

/** The counters of statuses, or those of reasons, as one JSON object. */
function counters(buffer: CopyBuffer, packed: string, codes: CounterCodes, statuses: boolean): void {
  const start = buffer.beginObject();
  for (const cells = new PackedCells(packed, BINS); cells.next(); ) {
    if (codes.isStatus(cells.code) === statuses) buffer.counter(codes.keyOf(cells.code), cells.count);
  }
  buffer.endObject(start);
}
