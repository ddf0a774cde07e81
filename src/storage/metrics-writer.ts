import type { Aggregate } from '../aggregates/aggregate.ts';
import { mergeOneResultSql } from '../aggregates/counter-map.ts';
import { aggregates } from '../aggregates/index.ts';
import { extrasOf, MetricDeltas } from '../aggregates/metric-deltas.ts';
import type { Queryable, Transaction } from './database.ts';
import { listRows, orderByKey } from './metric-order.ts';
import { copyRows, METRIC_COLUMNS } from './metric-rows.ts';

const DAY_MS = 86_400_000;

/**
 * Makes the partitions that the rows of `deltas` belong to. To be called before the transaction that writes them, not
 * inside it: others who need a partition wait for whoever is making one.
 */
export async function prepareMetrics(
  database: Queryable,
  deltas: MetricDeltas | readonly MetricDeltas[],
): Promise<void> {
  const days = new Map<string, Set<number>>();
  for (const { arrays, length } of listOf(deltas)) {
    const daysOf = arrays.plans.map(({ name }) => days.get(name) ?? new Set<number>());
    for (let row = 0; row < length; row++) daysOf[arrays.level[row]].add(Math.floor(arrays.bucketMs[row] / DAY_MS));
    for (const [level, { name }] of arrays.plans.entries()) days.set(name, daysOf[level]);
  }
  const wanted = [...days].flatMap(([name, numbers]) =>
    [...numbers].map((day) => ({ name, day: new Date(day * DAY_MS) })),
  );
  if (wanted.length === 0) return;
  await database.query(
    `SELECT ensure_metric_partition(granularity, day, day + interval '24 hours')
     FROM unnest($1::text[], $2::timestamptz[]) AS wanted (granularity, day)`,
    [wanted.map(({ name }) => name), wanted.map(({ day }) => day)],
  );
}

/**
 * Adds every row of `deltas` to `metrics`: a row that exists is increased, never overwritten, so any number of writers may
 * add to it in any order. Rows are written in the order of their keys; give the deltas of one transaction in one call,
 * which keeps that order over all of them. The partitions must be there (prepareMetrics).
 */
export async function writeMetrics(
  tx: Transaction,
  deltas: MetricDeltas | readonly MetricDeltas[],
): Promise<{ rows: number }> {
  const list = listRows(listOf(deltas));
  if (list.row.length === 0) return { rows: 0 };
  const sql = upsertSql(list.deltas);
  let rows = 0;
  for (const part of orderByKey(list)) {
    await tx.query(EMPTY_TABLE);
    await tx.copyFrom(`metric_deltas (${METRIC_COLUMNS.join(', ')})`, copyRows(list, part), 'binary');
    rows += (await tx.query(sql)).rowCount;
  }
  return { rows };
}

function listOf(deltas: MetricDeltas | readonly MetricDeltas[]): readonly MetricDeltas[] {
  return deltas instanceof MetricDeltas ? [deltas] : deltas;
}

/** A connection keeps its table; what an earlier call in the same transaction left in it has been written. */
const EMPTY_TABLE = `CREATE TEMP TABLE IF NOT EXISTS metric_deltas (
  granularity text, job_id integer, location text, dt timestamptz,
  count bigint, up bigint, degraded bigint, down bigint, missed bigint,
  rt_count bigint, rt_min bigint, rt_max bigint, rt_sum bigint,
  data jsonb, reasons jsonb, rt_hist bytea, extra jsonb
) ON COMMIT DELETE ROWS;
DELETE FROM metric_deltas`;

/** The aggregate that a column holds, which knows how two of its values become one. */
const AGGREGATE_OF = {
  count: 'count',
  up: 'count',
  degraded: 'count',
  down: 'count',
  missed: 'count',
  rt_count: 'count',
  rt_min: 'min',
  rt_max: 'max',
  rt_sum: 'sum',
  data: 'counters',
  reasons: 'reasons',
} as const;

const OBJECTS: ReadonlySet<string> = new Set(['data', 'reasons', 'extra']);

function upsertSql(deltas: readonly MetricDeltas[]): string {
  const merges = Object.entries(AGGREGATE_OF).map(([column, name]) => {
    const [stored, added] = [`m.${column}`, `excluded.${column}`];
    const merged = aggregates.get(name).mergeSql(stored, added);
    if (!OBJECTS.has(column)) return `${column} = ${merged}`;
    // With flushes every second most rows get a single result.
    return `${column} = CASE WHEN excluded.count = 1 THEN ${mergeOneResultSql(stored, added)} ELSE ${merged} END`;
  });
  const extras = extrasOf(deltas.flatMap(({ arrays }) => arrays.plans)).map(
    ({ key, aggregate }) => `'${key}', ${mergeExtraSql(key, aggregate)}`,
  );
  merges.push('rt_hist = histogram_sum(ARRAY[m.rt_hist, excluded.rt_hist])');
  if (extras.length > 0) merges.push(`extra = m.extra || jsonb_strip_nulls(jsonb_build_object(${extras.join(', ')}))`);
  const columns = METRIC_COLUMNS.map((column) => (OBJECTS.has(column) ? `COALESCE(${column}, '{}')` : column));
  return `INSERT INTO metrics AS m (${METRIC_COLUMNS.join(', ')}) SELECT ${columns.join(', ')} FROM metric_deltas
    ON CONFLICT (granularity, job_id, location, dt) DO UPDATE SET ${merges.join(', ')}`;
}

/** Null where neither side has the value, and then left out. Keys are names of functions and fields: plain words. */
function mergeExtraSql(key: string, aggregate: Aggregate): string {
  const value = (row: string) =>
    aggregate.sqlType === 'bigint' ? `(${row}.extra ->> '${key}')::bigint` : `(${row}.extra -> '${key}')`;
  return aggregate.mergeSql(value('m'), value('excluded'));
}
