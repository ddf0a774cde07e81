import type { ResultColumns } from '../messages/result-columns.ts';

/**
 * One function over the results of a bucket. A new one is one new file with one of these and one line in index.ts.
 * Values are integers only, so that merging in any order and any split gives identical rows.
 */
export interface Aggregate<State = unknown> {
  /** Name in the settings (`function: max`). */
  readonly name: string;
  /** Fields it can be applied to (`field: response_time`). */
  readonly fields: readonly AggregateField[];
  /** The state of an empty bucket. */
  create(): State;
  /** Adds row `row` of `columns`, `times` over (a missed range counts many). Answers the new state (numbers are values). */
  add(state: State, columns: ResultColumns, row: number, times: number, field: AggregateField): State;
  /** Both together. It may change `a` and answer it, but not `b`. */
  merge(a: State, b: State): State;
  /** The stored value: a number, a plain JSON object, or null when nothing was added that counts. */
  toStored(state: State): number | Record<string, number> | null;
  fromStored(value: number | Record<string, number> | null): State;
}

export const AGGREGATE_FIELDS = ['response_time', 'bytes', 'status', 'outcome', 'reason', 'result'] as const;
export type AggregateField = (typeof AGGREGATE_FIELDS)[number];

/** One configured metric of a granularity: which function of which field, and the key it is stored under. */
export interface Metric {
  function: string;
  field: AggregateField;
}
