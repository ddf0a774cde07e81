import { bucketStart, parseGranularity } from '../../src/aggregates/granularity.ts';
import { binOf } from '../../src/aggregates/histogram.ts';
import type { CheckResult } from '../../src/messages/check-result.ts';
import { type AnyResult, ResultDecoder } from '../../src/messages/decode.ts';
import { encodeResult } from '../../src/messages/encode.ts';
import type { ResultColumns } from '../../src/messages/result-columns.ts';
import { NO_MAINTENANCE } from '../../src/stats/outcomes.ts';
import type { MetricRow } from './metric-row.ts';

export function columnsOf(results: readonly CheckResult[], foreign: readonly object[] = []): ResultColumns {
  const decoder = new ResultDecoder();
  const lines = [...results.map(encodeResult), ...foreign.map((line) => JSON.stringify(line))];
  decoder.decodeRecord(Buffer.from(lines.join('\n')), (bad) => {
    throw new Error(`${bad.error}: ${lines[bad.line]}`);
  });
  return decoder.columns;
}

export function keyOf(row: MetricRow): string {
  return [row.granularity, row.jobId, row.location, row.bucketMs].join(' ');
}

/** The rows that results make, written down in the plainest way: an object per row, slot by slot. */
export function plainRows(results: readonly AnyResult[], granularities: readonly string[]): Map<string, MetricRow> {
  const rows = new Map<string, MetricRow>();
  for (const granularity of granularities.map(parseGranularity)) {
    for (const result of results) {
      const slots = result.slots ?? 1;
      for (let back = 0; back < slots; back++) {
        const at = result.slot === null ? result.ts : result.slot - back * (result.periodMs ?? 0);
        addPlainly(rows, result, granularity.name, bucketStart(at, granularity.durationMs));
      }
    }
  }
  return rows;
}

function addPlainly(rows: Map<string, MetricRow>, result: AnyResult, granularity: string, bucketMs: number): void {
  const { jobId, location } = result;
  const empty = { granularity, jobId, location, bucketMs, ...emptyValues() };
  const row = rows.get(keyOf(empty)) ?? empty;
  rows.set(keyOf(row), row);
  row.count++;
  row[result.outcome]++;
  if (result.maintenance) {
    if (result.outcome === 'up') row.maintenanceUp++;
    if (result.outcome === 'degraded') row.maintenanceDegraded++;
    if (result.outcome === 'down') row.maintenanceDown++;
  }
  if (result.responseTime !== null) {
    const micros = Math.round(result.responseTime * 1e6);
    row.rtMin = Math.min(row.rtMin ?? micros, micros);
    row.rtMax = Math.max(row.rtMax ?? micros, micros);
    row.rtSum += micros;
    row.rtCount++;
    row.rtHist = plus(row.rtHist, String(binOf(micros)), 1);
  }
  if (result.status !== null) row.data = plus(row.data, result.status, 1);
  if (result.reason !== undefined) row.reasons = plus(row.reasons, result.reason, 1);
}

function emptyValues(): Omit<MetricRow, 'granularity' | 'jobId' | 'location' | 'bucketMs'> {
  const counts = { count: 0, up: 0, degraded: 0, down: 0, missed: 0, rtCount: 0, rtSum: 0 };
  return { ...counts, ...NO_MAINTENANCE, rtMin: null, rtMax: null, data: {}, reasons: {}, rtHist: {}, extra: {} };
}

/** Adds rows as PostgreSQL does on conflict. */
export function mergeRows(rows: Map<string, MetricRow>, added: Iterable<MetricRow>): Map<string, MetricRow> {
  for (const row of added) {
    const key = keyOf(row);
    const stored = rows.get(key);
    rows.set(key, stored ? merged(stored, row) : row);
  }
  return rows;
}

function merged(a: MetricRow, b: MetricRow): MetricRow {
  const row = { ...a };
  for (const key of ['count', 'up', 'degraded', 'down', 'missed', 'rtCount', 'rtSum'] as const)
    row[key] = a[key] + b[key];
  for (const key of ['maintenanceUp', 'maintenanceDegraded', 'maintenanceDown'] as const) row[key] = a[key] + b[key];
  row.rtMin = a.rtMin === null || b.rtMin === null ? (a.rtMin ?? b.rtMin) : Math.min(a.rtMin, b.rtMin);
  row.rtMax = a.rtMax === null || b.rtMax === null ? (a.rtMax ?? b.rtMax) : Math.max(a.rtMax, b.rtMax);
  for (const key of ['data', 'reasons', 'rtHist'] as const) {
    row[key] = Object.entries(b[key]).reduce((sum, [name, times]) => plus(sum, name, times), a[key]);
  }
  return row;
}

/** Not by assignment, which would lose a key such as __proto__. */
function plus(counters: Record<string, number>, key: string, times: number): Record<string, number> {
  const others = Object.entries(counters).filter(([name]) => name !== key);
  const before = Object.hasOwn(counters, key) ? counters[key] : 0;
  return Object.fromEntries([...others, [key, before + times]]);
}
