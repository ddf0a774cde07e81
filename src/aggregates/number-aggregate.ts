import type { ResultColumns } from '../messages/result-columns.ts';
import type { Aggregate, AggregateField, Amount, FieldPattern, Merge, NumberColumn } from './aggregate.ts';
import { fieldValue, scaleOf } from './field-value.ts';
import { addWide, fromStoredSum, type StoredSum, timesWide, toStoredSum, type WideSum } from './wide-sum.ts';

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
  if (value === null) return -1;
  return amount === 'one' ? 1 : value;
}

/** A number with what `times` equal results contribute, `amount` each. */
export function addAmount(merge: Merge, state: number, amount: number, times: number): number {
  if (amount < 0 || times === 0) return state;
  return mergeNumbers(merge, state, merge === 'sum' ? amount * times : amount);
}

interface NumberAggregate {
  name: string;
  fields: readonly FieldPattern[];
  merge: Merge;
  amount: 'value' | 'one';
  columns: ReadonlyArray<Pick<NumberColumn, 'name' | 'field' | 'isAlwaysKept'>>;
}

/** An aggregate whose state is one number, which may be negative, or null; and which may have columns. */
export function numberAggregate({ name, fields, merge, amount, columns }: NumberAggregate): Aggregate<WideSum | null> {
  const both = (a: WideSum | null, b: WideSum | null): WideSum | null => {
    if (a === null || b === null) return a ?? b;
    if (merge === 'sum') return addWide(a, b);
    return b > a === (merge === 'greatest') ? b : a;
  };
  return {
    name,
    fields,
    columns: columns.map((column) => ({ ...column, type: 'bigint', merge, amount })),
    create: () => (merge === 'sum' ? 0 : null),
    add: (state, results, row, times, field) => {
      const value = times === 0 ? null : fieldValue(results, row, field);
      if (value === null) return state;
      const one = amount === 'one' ? 1 : value;
      return both(state, merge === 'sum' ? timesWide(one, times) : one);
    },
    merge: both,
    toStored: (state) => (typeof state === 'bigint' ? { ...toStoredSum(state) } : state),
    fromStored: (value) => {
      if (value === null) return merge === 'sum' ? 0 : null;
      return typeof value === 'number' ? value : fromStoredSum(value as unknown as StoredSum);
    },
    toShown: (state, field) => (state === null ? null : Number(state) / (amount === 'one' ? 1 : scaleOf(field))),
  };
}
