import type { ResultColumns } from '../messages/result-columns.ts';
import type { Aggregate, AggregateField, Amount, Merge, NumberColumn } from './aggregate.ts';
import { fieldValue } from './field-value.ts';

/** Of a bucket without a value. Values are >= 0, so that -1 is below all of them. */
export const EMPTY: Readonly<Record<Merge, number>> = { sum: 0, least: -1, greatest: -1 };

/** Two numbers of the same kind as one. -1, nothing, changes no least and no greatest number. */
export function mergeNumbers(merge: Merge, a: number, b: number): number {
  if (merge === 'sum') return a + b;
  if (merge === 'greatest') return b > a ? b : a;
  return a < 0 || (b >= 0 && b < a) ? b : a;
}

/** The contribution of row `row` to a number; -1: none. */
export function amountOf(amount: Amount, columns: ResultColumns, row: number, field: AggregateField): number {
  if (typeof amount === 'function') return amount(columns, row);
  const value = fieldValue(columns, row, field);
  return amount === 'one' && value >= 0 ? 1 : value;
}

/** A number with what `times` equal results contribute, `amount` each. */
export function addAmount(merge: Merge, state: number, amount: number, times: number): number {
  if (amount < 0 || times === 0) return state;
  return mergeNumbers(merge, state, merge === 'sum' ? amount * times : amount);
}

interface NumberAggregate {
  name: string;
  fields: readonly AggregateField[];
  merge: Merge;
  amount: Amount;
  columns: ReadonlyArray<Pick<NumberColumn, 'name' | 'field' | 'isAlwaysKept'>>;
}

/** An aggregate whose state is one number, and which may have columns. */
export function numberAggregate({ name, fields, merge, amount, columns }: NumberAggregate): Aggregate<number> {
  return {
    name,
    fields,
    columns: columns.map((column) => ({ ...column, type: 'bigint', merge, amount })),
    create: () => EMPTY[merge],
    add: (state, results, row, times, field) => addAmount(merge, state, amountOf(amount, results, row, field), times),
    merge: (a, b) => mergeNumbers(merge, a, b),
    toStored: (state) => (state < 0 ? null : state),
    fromStored: (value) => (value as number | null) ?? EMPTY[merge],
  };
}
