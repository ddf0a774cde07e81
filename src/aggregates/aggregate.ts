import type { ResultColumns } from '../messages/result-columns.ts';

export type StoredValue = number | Record<string, number> | null;

/**
 * One function over the results of a bucket. A new one is one new file with one of these and one line in index.ts.
 * States and stored values are made of integers only, so that merging in any order and any split gives identical rows.
 */
export interface Aggregate<State = unknown> {
  /** Name in the settings (`function: max`). */
  readonly name: string;
  /** Fields it can be applied to (`field: response_time`); `timings.*` and `values.*` are all of these. */
  readonly fields: readonly FieldPattern[];
  /** Its columns of the table `metrics`. The values of its other fields are stored in `metrics.extra`. */
  readonly columns?: readonly Column[];
  /** The state of an empty bucket. */
  create(): State;
  /** Adds row `row` of `columns`, `times` over (a missed range counts many). Returns the new state (numbers are values). */
  add(state: State, columns: ResultColumns, row: number, times: number, field: AggregateField): State;
  /** Both together. It may change `a` and return it, but not `b`. */
  merge(a: State, b: State): State;
  /** The stored value: a number, a plain JSON object, or null when nothing was added that counts. */
  toStored(state: State): StoredValue;
  fromStored(value: StoredValue): State;
  /**
   * The value that people see, in the unit of the message (seconds), not necessarily an integer; of a distribution the values of
   * `ranks`. Absent: the stored one.
   */
  toShown?(state: State, field: AggregateField, ranks: readonly number[]): ShownValue;
}

export type ShownValue = StoredValue | Record<string, number | null>;

const AGGREGATE_FIELDS = ['response_time', 'bytes', 'status', 'outcome', 'reason', 'maintenance', 'result'] as const;
type PlainField = (typeof AGGREGATE_FIELDS)[number];
/** Any of a family: the seconds of a phase, a value by its name. */
export type AggregateField = PlainField | `timings.${string}` | `values.${string}`;
export type FieldPattern = PlainField | 'timings.*' | 'values.*';
/** Fields that have columns of numbers: whole ones, microseconds or bytes. */
export type MeasuredField = 'response_time' | 'bytes';

/** One configured metric of a granularity: which function of which field, and the key it is stored under. */
export interface Metric {
  function: string;
  field: AggregateField;
}

/**
 * A column of the table `metrics`. Accumulator, writer, rebuild and verification follow from it; a migration adds it to
 * the table.
 */
export type Column = NumberColumn | CountersColumn | HistogramColumn;

interface NamedColumn {
  /** In the database. */
  readonly name: string;
  /** Kept for every granularity, also when the settings do not name it. */
  readonly isAlwaysKept?: boolean;
}

/** How two numbers become one. Of `least` and `greatest`, nothing added is NULL; of `sum`, 0. */
export type Merge = 'sum' | 'least' | 'greatest';

/** A whole number >= 0. */
export interface NumberColumn extends NamedColumn {
  readonly type: 'bigint';
  readonly field: AggregateField;
  readonly merge: Merge;
  /** The contribution of a result: the value of its field, 1 when it has one, or the number returned (-1: nothing). */
  readonly amount: Amount;
}

export type Amount = 'value' | 'one' | ((columns: ResultColumns, row: number) => number);

/** How often each text of a field came, as a JSON object. */
export interface CountersColumn extends NamedColumn {
  readonly type: 'jsonb';
  readonly field: 'status' | 'reason';
}

/** How many values fell into each bin, in the form of histogram-bytes.ts. */
export interface HistogramColumn extends NamedColumn {
  readonly type: 'bytea';
  readonly field: MeasuredField;
}
