import { COUNTERS_COLUMNS, HISTOGRAM_COLUMNS, NUMBER_COLUMNS } from '../../../aggregates/columns.ts';
import { CopyBuffer } from '../../../postgres/copy-buffer.ts';
import { PackedCells } from './cell-sum.ts';
import type { MetricKey } from './memory.ts';
import { type CounterCodes, FIRST_COUNTER, type MetricValues } from './values.ts';

/** A row to be written. */
export interface CopiedRow {
  key: MetricKey;
  values: MetricValues;
  /** Whether it is to replace one; if not, it is thought to be new. */
  replaces: boolean;
}

export const KEY_COLUMNS = ['granularity', 'job_id', 'location', 'dt'] as const;

/** The values of a row, which a later write replaces, and their types. */
export const VALUE_TYPES: ReadonlyArray<{ readonly name: string; readonly type: string }> = [
  ...[...NUMBER_COLUMNS, ...COUNTERS_COLUMNS, ...HISTOGRAM_COLUMNS],
  { name: 'extra', type: 'jsonb' },
];
export const VALUE_COLUMNS = VALUE_TYPES.map(({ name }) => name);

/** The columns of a row of `metrics`. */
export const METRIC_COLUMNS = [...KEY_COLUMNS, ...VALUE_COLUMNS, 'writes'];

/** The columns of copyRows, in their order. */
export const COPIED_COLUMNS = [...METRIC_COLUMNS, 'position'];

/** Definitions of COPIED_COLUMNS. */
export const COPIED_COLUMN_TYPES = [
  'granularity text, job_id integer, location text, dt timestamptz',
  ...VALUE_TYPES.map(({ name, type }) => `${name} ${type}`),
  'writes integer, position integer',
].join(', ');

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
  for (const { key, replaces, values } of rows) {
    const full = buffer.row(COPIED_COLUMNS.length);
    if (full) yield full;
    buffer.bytes(textOf(key.granularity.name));
    buffer.int4(key.jobId);
    buffer.bytes(textOf(key.location));
    buffer.timestamp(key.bucketMs);
    for (const number of values.numbers) {
      if (number < 0) buffer.null();
      else buffer.int8(number);
    }
    for (const { field } of COUNTERS_COLUMNS) counters(buffer, values.counters, codes, field === 'status');
    for (const bins of values.bins) buffer.latin1(bins);
    buffer.json(values.extra);
    buffer.int4(replaces ? -values.writes : values.writes);
    buffer.int4(position++);
  }
  yield buffer.end();
}

/** The counters of statuses, or those of reasons, as one JSON object. */
function counters(buffer: CopyBuffer, packed: string, codes: CounterCodes, statuses: boolean): void {
  const start = buffer.beginObject();
  for (const cells = new PackedCells(packed, FIRST_COUNTER); cells.next(); ) {
    if (codes.isStatus(cells.code) === statuses) buffer.counter(codes.keyOf(cells.code), cells.count);
  }
  buffer.endObject(start);
}
