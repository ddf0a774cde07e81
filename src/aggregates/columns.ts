import type { Column, CountersColumn, HistogramColumn, NumberColumn } from './aggregate.ts';
import { aggregates } from './index.ts';

/** All columns of `metrics` that hold values of aggregates, but for `extra`, in the order of the registry. */
export const COLUMNS: readonly Column[] = aggregates.all().flatMap(({ columns = [] }) => columns);

export const NUMBER_COLUMNS = COLUMNS.filter((column): column is NumberColumn => column.type === 'bigint');
export const COUNTERS_COLUMNS = COLUMNS.filter((column): column is CountersColumn => column.type === 'jsonb');
export const HISTOGRAM_COLUMNS = COLUMNS.filter((column): column is HistogramColumn => column.type === 'bytea');

/** The name of a metric, in `metrics.extra` too. */
export function metricKey(name: string, field: string): string {
  return `${name}_${field}`;
}

/** By `function_field`, the columns it has. */
export const COLUMNS_BY_METRIC: ReadonlyMap<string, readonly Column[]> = new Map(
  aggregates
    .all()
    .flatMap(({ name, fields, columns = [] }) =>
      fields
        .map((field) => [metricKey(name, field), columns.filter((column) => column.field === field)] as const)
        .filter(([, found]) => found.length > 0),
    ),
);
