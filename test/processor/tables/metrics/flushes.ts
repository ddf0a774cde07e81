import { isDeepStrictEqual } from 'node:util';
import type { MetricDeltas } from '../../../../src/aggregates/accumulator/deltas.ts';
import { Accumulator } from '../../../../src/aggregates/accumulator/index.ts';
import { sumBins } from '../../../../src/aggregates/histogram-bytes.ts';
import { type MetricSetting, planMetrics } from '../../../../src/aggregates/metrics-plan.ts';
import type { CheckResult } from '../../../../src/messages/check-result.ts';
import type { Database, Queryable } from '../../../../src/postgres/database.ts';
import { MetricsWriter } from '../../../../src/processor/tables/metrics/writer.ts';
import { TablePartitions } from '../../../../src/processor/tables/partitions.ts';
import type { MetricRow } from '../../../aggregates/metric-row.ts';
import { columnsOf, keyOf } from '../../../aggregates/reference.ts';

export const T = Date.UTC(2026, 0, 31, 23, 58, 30);
export const up: CheckResult = {
  jobId: 1,
  location: 'default',
  epoch: 1,
  slot: T,
  ts: T + 3,
  outcome: 'up',
  status: '200',
  responseTime: 0.1,
};

export function deltasOf(results: readonly CheckResult[], settings?: readonly MetricSetting[]): MetricDeltas {
  const accumulator = new Accumulator(planMetrics(settings));
  const columns = columnsOf(results);
  for (let row = 0; row < columns.length; row++) accumulator.add(columns, row);
  return accumulator.take();
}

export async function prepare(database: Database, ...deltas: MetricDeltas[]): Promise<void> {
  const none = { slices: [] };
  await new TablePartitions(database).prepare(
    deltas.map((metrics) => ({ metrics, results: none })),
    false,
  );
}

/** A writer that counts from 1 how often a row was written. */
export function countingWriter(options: { memoryBytes?: number } = {}): MetricsWriter {
  return new MetricsWriter({ ...options, firstVersion: () => 1 });
}

/**
 * One flush. A writer that is not given remembers nothing. `last` is done before COMMIT; without `known` the writer is not
 * told of it.
 */
export async function write(
  database: Database,
  deltas: MetricDeltas | readonly MetricDeltas[],
  writer = countingWriter(),
  last: () => Promise<void> = async () => {},
  known = true,
): Promise<number> {
  const list = [deltas].flat();
  await prepare(database, ...list);
  const written = await database.transaction(async (tx) => {
    const result = await writer.write(tx, list);
    await last();
    return result;
  });
  if (known) written.remember();
  return written.rows;
}

/** How often each row was written. */
export async function storedWrites(database: Queryable): Promise<Map<string, number>> {
  const { rows } = await database.query<{ key: string; writes: number }>(
    `SELECT concat_ws(' ', granularity, job_id, location, (extract(epoch FROM dt) * 1000)::bigint) AS key, writes FROM metrics`,
  );
  return new Map(rows.map(({ key, writes }) => [key, writes]));
}

export async function storedRows(database: Queryable): Promise<Map<string, MetricRow>> {
  const { rows } = await database.query<MetricRow & { bytes: Buffer }>(`SELECT granularity, job_id AS "jobId", location,
    (extract(epoch FROM dt) * 1000)::bigint AS "bucketMs", count, up, degraded, down, missed,
    maintenance_up AS "maintenanceUp", maintenance_degraded AS "maintenanceDegraded",
    maintenance_down AS "maintenanceDown", rt_count AS "rtCount", rt_min AS "rtMin", rt_max AS "rtMax", rt_sum AS "rtSum", data, reasons, rt_hist AS bytes, extra FROM metrics`);
  return new Map(rows.map(({ bytes, ...row }) => [keyOf(row), { ...row, rtHist: sumBins([bytes]) }]));
}

/** Keys of rows that are not as expected. Of many large rows, the whole of them is no help to a reader. */
export async function wrongRows(database: Queryable, expected: ReadonlyMap<string, MetricRow>): Promise<string[]> {
  const stored = await storedRows(database);
  const keys = new Set([...stored.keys(), ...expected.keys()]);
  return [...keys].filter((key) => !isDeepStrictEqual(stored.get(key), expected.get(key)));
}
