import type { MetricDeltas } from '../../../aggregates/accumulator/deltas.ts';
import { elementAt } from '../../../core/element-at.ts';
import { firstOf } from '../../../core/first-of.ts';
import type { Queryable, Transaction } from '../../../postgres/database.ts';
import { type MetricKey, MetricMemory, type WrittenRow } from './memory.ts';
import { orderRows, type RowList } from './order.ts';
import {
  COPIED_COLUMN_TYPES,
  COPIED_COLUMNS,
  type CopiedRow,
  copyRows,
  KEY_COLUMNS,
  METRIC_COLUMNS,
  VALUE_COLUMNS,
} from './rows.ts';
import {
  MetricMerger,
  type PackedValues,
  type PreparedDeltas,
  SELECTED_COLUMNS,
  type SelectedValues,
} from './values.ts';

/** A row that this process had written is gone: what was remembered must be forgotten, and the transaction done again. */
export class RowsGoneError extends Error {}

export interface MetricsWritten {
  rows: number;
  /** To be called when the transaction is known to be committed, and only then. */
  remember(): void;
}

/** The rows that one write adds, and what becomes of them. Rows are numbered in the order of their keys. */
interface Additions extends RowList {
  prepared: readonly PreparedDeltas[];
  /** By row, as it was written. */
  written: PackedValues[];
  /** By row, as another transaction had written it. */
  others: Map<number, PackedValues>;
}

/**
 * Adds deltas to rows of `metrics`. Values are merged here, not in SQL: whole rows replace what was there, on the
 * condition that `writes` says it is what it was thought to be. Rows that this process wrote before are remembered, any
 * other is thought to be new; those of which that is not true are locked by the attempt, read, and written again. So any
 * number of writers may add to the same rows in any order; what is remembered only saves reading.
 */
export class MetricsWriter {
  readonly #memory: MetricMemory;
  readonly #merger: MetricMerger;
  /** Raised by `forget`: what was written before means nothing after it. */
  #generation = 0;

  /** `memoryBytes`: how much is remembered at most. `firstVersion`: see MetricMerger. */
  constructor(options: { memoryBytes?: number | undefined; firstVersion?: (() => number) | undefined } = {}) {
    const { memoryBytes = 64 * 1024 * 1024, firstVersion } = options;
    this.#memory = new MetricMemory(memoryBytes);
    this.#merger = new MetricMerger(firstVersion);
  }

  /**
   * Writes all rows of `deltas` in the order of their keys, once per transaction. Their partitions must be there. Throws
   * RowsGoneError when the transaction is to be done again.
   */
  async write(tx: Transaction, deltas: readonly MetricDeltas[]): Promise<MetricsWritten> {
    const list = orderRows(deltas);
    const rows = list.starts.length - 1;
    const additions: Additions = {
      ...list,
      prepared: deltas.map((one) => this.#merger.prepare(one)),
      written: new Array<PackedValues>(rows),
      others: new Map(),
    };
    await this.#replace(
      tx,
      Int32Array.from({ length: rows }, (_, row) => row),
      additions,
    );
    const generation = this.#generation;
    return {
      rows,
      remember: () => {
        if (generation === this.#generation) this.#remember(additions);
      },
    };
  }

  /** Forgets all rows. To be called whenever others may have counted what this process counts. */
  forget(): void {
    this.#generation++;
    this.#memory.clear();
    this.#merger.codes.clear();
  }

  #remember(additions: Additions): void {
    if (this.#merger.codes.size > MAX_TEXTS) this.forget();
    else this.#memory.remember(writtenRows(additions));
  }

  async #replace(tx: Transaction, rows: Int32Array, additions: Additions): Promise<void> {
    for (let rest = rows; rest.length > 0; ) {
      await tx.query(EMPTY_TABLE);
      await tx.copyFrom(
        `metric_rows (${COPIED_COLUMNS.join(', ')})`,
        copyRows(this.#merged(rest, additions), this.#merger.codes),
        'binary',
      );
      const { rows: results } = await tx.query<{ written: number; gone: number }>(UPSERT);
      const { written, gone } = firstOf(results);
      if (gone > 0) throw new RowsGoneError(`${gone} rows of metrics are gone`);
      if (written === rest.length) return;
      rest = await this.#readOthers(tx, rest, additions, rest.length - written);
    }
  }

  /** The new values of rows, each valid until the next. */
  *#merged(rows: Int32Array, additions: Additions): Generator<CopiedRow> {
    const { prepared, source, row: indexes, starts, written, others } = additions;
    const merger = this.#merger;
    for (const row of rows) {
      const key = keyOf(additions, row);
      const base = others.get(row) ?? this.#memory.get(key);
      merger.begin(base);
      const end = starts[row + 1] as number;
      for (let at = starts[row] as number; at < end; at++)
        merger.add(elementAt(prepared, source[at] as number), indexes[at] as number);
      written[row] = merger.end();
      yield { key, values: merger.values, replaces: base !== undefined };
    }
  }

  /** The rows that were not written, because another transaction had. They are locked by now. */
  async #readOthers(tx: Queryable, tried: Int32Array, { others }: Additions, expected: number): Promise<Int32Array> {
    const { rows } = await tx.query<SelectedValues & { position: number }>(READ_OTHERS);
    if (rows.length !== expected) throw new Error(`${expected} rows of metrics were not written, ${rows.length} found`);
    return Int32Array.from(rows, (found) => {
      const row = tried[found.position] as number;
      others.set(row, this.#merger.fromSelected(found));
      return row;
    });
  }
}

function keyOf({ prepared, source, row: indexes, starts }: Additions, row: number): MetricKey {
  const at = starts[row] as number;
  const { arrays } = elementAt(prepared, source[at] as number).deltas;
  const index = indexes[at] as number;
  return {
    granularity: elementAt(arrays.plans, arrays.level[index] as number),
    jobId: arrays.jobId[index] as number,
    location: elementAt(arrays.locations, arrays.location[index] as number),
    bucketMs: arrays.bucketMs[index] as number,
  };
}

function* writtenRows(additions: Additions): Generator<WrittenRow> {
  for (const [row, packed] of additions.written.entries()) yield { key: keyOf(additions, row), packed };
}

/** Distinct statuses: a producer with endless ones must not exhaust memory. */
const MAX_TEXTS = 10_000;

/** A connection keeps its table; a second round in one transaction finds the rows of the first. */
const EMPTY_TABLE = `CREATE TEMP TABLE IF NOT EXISTS metric_rows (
  ${COPIED_COLUMN_TYPES}
) ON COMMIT DELETE ROWS;
DELETE FROM metric_rows`;

/**
 * A row that is to replace one comes with its `writes` negative, and keeps that only when there was nothing to replace. One
 * that is not replaced stays locked until the transaction ends.
 */
const UPSERT = `WITH written AS (
    INSERT INTO metrics AS m (${METRIC_COLUMNS.join(', ')}) SELECT ${METRIC_COLUMNS.join(', ')} FROM metric_rows
    ON CONFLICT (${KEY_COLUMNS.join(', ')}) DO UPDATE
      SET ${VALUE_COLUMNS.map((column) => `${column} = excluded.${column}`).join(', ')}, writes = -excluded.writes
      WHERE m.writes = -excluded.writes - 1
    RETURNING m.writes
  )
  SELECT count(*) AS written, count(*) FILTER (WHERE writes < 0) AS gone FROM written`;

/**
 * Of all versions of rows, those that this transaction has not made. Row by row over the primary key: nothing else would be
 * right for a few rows of many.
 */
const READ_OTHERS = `SELECT k.position, m.*
  FROM metric_rows AS k
  CROSS JOIN LATERAL (
    SELECT ${SELECTED_COLUMNS} FROM metrics AS m
    WHERE ${KEY_COLUMNS.map((column) => `m.${column} = k.${column}`).join(' AND ')}
      AND m.xmin <> pg_current_xact_id()::xid OFFSET 0
  ) AS m`;
