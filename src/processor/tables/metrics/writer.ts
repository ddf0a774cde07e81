import type { MetricDeltas } from '../../../aggregates/accumulator/deltas.ts';
import { elementAt } from '../../../core/element-at.ts';
import { firstOf } from '../../../core/first-of.ts';
import type { Queryable, Transaction } from '../../../postgres/database.ts';
import { MetricMemory } from './memory.ts';
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
  type MetricValues,
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

interface Target extends CopiedRow {
  /** Entries [from, to) of the list are added to it. */
  from: number;
  to: number;
}

/** The rows that one write adds. */
interface Additions extends RowList {
  prepared: readonly PreparedDeltas[];
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
    const additions = { ...orderRows(deltas), prepared: deltas.map((one) => this.#merger.prepare(one)) };
    const targets = this.#targets(additions);
    await this.#replace(tx, targets, additions);
    const generation = this.#generation;
    return {
      rows: targets.length,
      remember: () => {
        if (generation === this.#generation) this.#remember(targets);
      },
    };
  }

  /** Forgets all rows. To be called whenever others may have counted what this process counts. */
  forget(): void {
    this.#generation++;
    this.#memory.clear();
    this.#merger.codes.clear();
  }

  #remember(targets: readonly Target[]): void {
    if (this.#merger.codes.size > MAX_TEXTS) this.forget();
    else this.#memory.remember(targets);
  }

  #targets({ prepared, source, row, repeated }: Additions): Target[] {
    const targets: Target[] = [];
    let last: Target | undefined;
    for (let at = 0; at < row.length; at++) {
      if (last && (repeated[at] as number) > 0) {
        last.to++;
        continue;
      }
      const { arrays } = elementAt(prepared, source[at] as number).deltas;
      const index = row[at] as number;
      last = {
        granularity: elementAt(arrays.plans, arrays.level[index] as number).name,
        jobId: arrays.jobId[index] as number,
        location: elementAt(arrays.locations, arrays.location[index] as number),
        bucketMs: arrays.bucketMs[index] as number,
        from: at,
        to: at + 1,
        base: undefined,
        values: NONE,
      };
      last.base = this.#memory.get(last);
      targets.push(last);
    }
    return targets;
  }

  async #replace(tx: Transaction, targets: readonly Target[], additions: Additions): Promise<void> {
    for (let rest = targets; rest.length > 0; ) {
      await tx.query(EMPTY_TABLE);
      await tx.copyFrom(
        `metric_rows (${COPIED_COLUMNS.join(', ')})`,
        copyRows(this.#merged(rest, additions), this.#merger.codes),
        'binary',
      );
      const { rows } = await tx.query<{ written: number; gone: number }>(UPSERT);
      const { written, gone } = firstOf(rows);
      if (gone > 0) throw new RowsGoneError(`${gone} rows of metrics are gone`);
      if (written === rest.length) return;
      rest = await this.#readOthers(tx, rest, rest.length - written);
    }
  }

  *#merged(targets: readonly Target[], { prepared, source, row }: Additions): Generator<Target> {
    for (const target of targets) {
      target.values = this.#merger.begin(target.base);
      for (let at = target.from; at < target.to; at++)
        this.#merger.add(target.values, elementAt(prepared, source[at] as number), row[at] as number);
      this.#merger.end(target.values);
      yield target;
    }
  }

  /** The targets that were not written, because another transaction had. Their rows are locked by now. */
  async #readOthers(tx: Queryable, targets: readonly Target[], expected: number): Promise<Target[]> {
    const { rows } = await tx.query<SelectedValues & { position: number }>(READ_OTHERS);
    const others = rows.map((row) => {
      const target = elementAt(targets, row.position);
      target.base = this.#merger.fromSelected(row);
      return target;
    });
    if (others.length !== expected)
      throw new Error(`${expected} rows of metrics were not written, ${others.length} found`);
    return others;
  }
}

const NONE: MetricValues = new MetricMerger().begin(undefined);

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
