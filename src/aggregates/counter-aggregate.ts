import type { ResultColumns } from '../messages/result-columns.ts';
import type { Aggregate, AggregateField, Column, FieldPattern } from './aggregate.ts';

/** How often each key occurred. */
export type CounterMap = Map<string, number>;

interface CounterAggregate {
  name: string;
  fields: readonly FieldPattern[];
  /** The key that a result counts under; null: none. */
  key: (columns: ResultColumns, row: number, field: AggregateField) => string | null;
  columns: readonly Column[];
  toShown?: Aggregate<CounterMap>['toShown'];
}

/** An aggregate that counts results by a key. */
export function counterAggregate({ name, fields, key, columns, toShown }: CounterAggregate): Aggregate<CounterMap> {
  return {
    name,
    fields,
    columns,
    create: () => new Map(),
    add: (state, results, row, times, field) => {
      const found = key(results, row, field);
      return found === null ? state : increase(state, found, times);
    },
    merge: (a, b) => {
      for (const [found, times] of b) increase(a, found, times);
      return a;
    },
    toStored: (state) => (state.size === 0 ? null : Object.fromEntries(state)),
    fromStored: (value) => new Map(Object.entries((value as Record<string, number> | null) ?? {})),
    ...(toShown && { toShown }),
  };
}

export function increase(counters: CounterMap, key: string, times: number): CounterMap {
  if (times > 0) counters.set(key, (counters.get(key) ?? 0) + times);
  return counters;
}
