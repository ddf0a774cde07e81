import { encodeBins } from '../../src/aggregates/histogram-bytes.ts';
import type { Database } from '../../src/postgres/database.ts';
import { ensureMetricPartitions, ensureResultPartitions } from '../../src/postgres/partitions.ts';

export interface MetricRow {
  granularity?: string;
  jobId?: number;
  location?: string;
  at: number;
  up?: number;
  degraded?: number;
  down?: number;
  missed?: number;
  rt?: readonly number[];
  data?: Record<string, number>;
  reasons?: Record<string, number>;
  hist?: Record<string, number>;
  extra?: Record<string, unknown>;
  /** Of up, degraded and down, those in maintenance. */
  maintenance?: [number, number, number];
}

/** Writes one row of metrics as a processor would have left it. */
export async function insertMetric(database: Database, row: MetricRow): Promise<void> {
  const {
    granularity = 'minute',
    jobId = 1,
    location = 'default',
    at,
    up = 0,
    degraded = 0,
    down = 0,
    missed = 0,
  } = row;
  const rt = row.rt ?? [];
  const bins = Object.entries(row.hist ?? {}).map(([bin, count]): [number, number] => [Number(bin), count]);
  await ensureMetricPartitions(database, granularity, at, at + 1);
  await database.query(
    `INSERT INTO metrics (granularity, job_id, location, dt, count, up, degraded, down, missed, rt_count, rt_min, rt_max,
       rt_sum, data, reasons, rt_hist, extra, maintenance_up, maintenance_degraded, maintenance_down)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)`,
    [
      ...[granularity, jobId, location, new Date(at), up + degraded + down + missed, up, degraded, down, missed],
      ...[rt.length, rt.length ? Math.min(...rt) : null, rt.length ? Math.max(...rt) : null],
      ...[rt.reduce((a, b) => a + b, 0), row.data ?? {}, row.reasons ?? {}, encodeBins(bins), row.extra ?? {}],
      ...(row.maintenance ?? [0, 0, 0]),
    ],
  );
}

export async function insertSpan(
  database: Database,
  span: {
    jobId?: number;
    location?: string;
    version?: number;
    period?: number | null;
    phase?: number | null;
    cron?: string | null;
    from: number;
    to?: number | null;
    slots?: number | null;
  },
): Promise<void> {
  const {
    jobId = 1,
    location = 'default',
    version = 1,
    period = 1_000,
    phase = 0,
    cron = null,
    from,
    to = null,
  } = span;
  await database.query(
    `INSERT INTO schedule_spans (job_id, location, version, period_ms, phase_ms, cron, topic, epoch, from_slot, to_slot, slot_count)
     VALUES ($1, $2, $3, $4, $5, $6, 'checks', 1, $7, $8, $9)`,
    [jobId, location, version, period, phase, cron, from, to, span.slots ?? null],
  );
}

export async function insertResult(
  database: Database,
  result: {
    jobId?: number;
    location?: string;
    at: number;
    outcome?: string;
    offset?: number;
    foreign?: boolean;
    detail?: string;
    values?: Record<string, number>;
    maintenance?: boolean;
  },
): Promise<void> {
  const { jobId = 1, location = 'default', at, outcome = 'up', offset = 0, foreign = false, detail = null } = result;
  const { values = null, maintenance = null } = result;
  await ensureResultPartitions(database, at, at + 1);
  await database.query(
    `INSERT INTO results (job_id, location, at, epoch, slot, ts, outcome, status, rt, timings, bytes, attempt, topic, partition, record_offset, detail, "values", maintenance)
     VALUES ($1, $2, $3, $4, $5, $6, $7, '200', 12345, '{"ttfb":0.01,"tls_resumed":0.002}', 2, 1, 'checks', 0, $8, $9, $10, $11)`,
    [
      jobId,
      location,
      new Date(at),
      foreign ? null : 1,
      foreign ? null : at,
      at,
      outcome,
      offset,
      detail,
      values,
      maintenance,
    ],
  );
}

export async function insertProgress(
  database: Database,
  row: {
    jobId?: number;
    location?: string;
    topic?: string;
    slot: number;
    outcome?: string | null;
    up?: number;
    down?: number;
    codes?: Record<string, number>;
  },
): Promise<void> {
  const { jobId = 1, location = 'default', topic = 'checks', slot, outcome = 'up', up = 0, down = 0, codes = {} } = row;
  await database.query(
    `INSERT INTO series_progress (job_id, location, topic, epoch, slot, last_ts, last_outcome, last_status, last_rt, since_slot,
       count, up, down, codes)
     VALUES ($1, $2, $3, 1, $4, $4, $5, '200', 12345, $4, $6, $7, $8, $9)`,
    [jobId, location, topic, slot, outcome, up + down, up, down, codes],
  );
}
