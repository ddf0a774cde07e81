import { type AnyResult, BadLineError, parseResult } from '../../src/messages/decode.ts';
import { NO_MAINTENANCE } from '../../src/stats/outcomes.ts';
import type { MetricNumbers } from '../../src/stats/queries/metrics.ts';

/** One counted slot (or foreign line) of the naive model. */
export interface CountedSlot {
  topic: string;
  atMs: number;
  result: AnyResult;
}

export interface NaiveTally {
  results: number;
  foreign: number;
  duplicates: number;
  fenced: number;
  deadLetters: number;
}

interface NaiveSeries {
  epoch: number;
  slot: number;
}

/** Rule 4 of the design, written down as simply as it can be, one slot at a time. Series are per topic. */
export class NaiveCounter {
  readonly series = new Map<string, NaiveSeries>();
  readonly counted: CountedSlot[] = [];
  readonly tally: NaiveTally = { results: 0, foreign: 0, duplicates: 0, fenced: 0, deadLetters: 0 };

  record(topic: string, value: string): void {
    for (const line of value.split('\n')) if (line.trim() !== '') this.line(topic, line);
  }

  line(topic: string, line: string): void {
    let result: AnyResult;
    try {
      result = parseResult(line);
    } catch (error) {
      if (!(error instanceof BadLineError)) throw error;
      this.tally.deadLetters++;
      return;
    }
    if (result.slot === null) {
      this.tally.foreign++;
      this.counted.push({ topic, atMs: result.ts, result });
      return;
    }
    const key = `${topic} ${result.jobId} ${result.location}`;
    const series = this.series.get(key) ?? { epoch: -1, slot: -1 };
    this.series.set(key, series);
    const slots = result.slots ?? 1;
    if (result.epoch < series.epoch) {
      this.tally.fenced += slots;
      return;
    }
    series.epoch = result.epoch;
    for (let index = slots - 1; index >= 0; index--) {
      const atMs = result.slot - index * (result.periodMs ?? 0);
      if (atMs > series.slot) {
        series.slot = atMs;
        this.tally.results++;
        this.counted.push({ topic, atMs, result });
      } else {
        this.tally.duplicates++;
      }
    }
    series.slot = Math.max(series.slot, result.slot);
  }
}

export type NaiveRow = MetricNumbers;

const LENGTHS = { minute: 60_000, hour: 3_600_000, day: 86_400_000 } as const;

/** The rows of metrics that follow from what was counted, by `granularity job location bucket`. */
export function naiveRows(counted: readonly CountedSlot[]): Map<string, NaiveRow> {
  const rows = new Map<string, NaiveRow>();
  for (const { atMs, result } of counted) {
    for (const [granularity, length] of Object.entries(LENGTHS)) {
      const bucket = Math.floor(atMs / length) * length;
      const key = `${granularity} ${result.jobId} ${result.location} ${bucket}`;
      const row = rows.get(key) ?? emptyRow();
      rows.set(key, row);
      row.count++;
      row[result.outcome]++;
      if (result.maintenance && result.outcome === 'up') row.maintenanceUp++;
      if (result.maintenance && result.outcome === 'degraded') row.maintenanceDegraded++;
      if (result.maintenance && result.outcome === 'down') row.maintenanceDown++;
      if (result.reason) row.reasons[result.reason] = (row.reasons[result.reason] ?? 0) + 1;
      if (result.status !== null) row.data[result.status] = (row.data[result.status] ?? 0) + 1;
      if (result.responseTime === null) continue;
      const rt = Math.round(result.responseTime * 1e6);
      row.rtCount++;
      row.rtSum += rt;
      row.rtMin = row.rtMin === null ? rt : Math.min(row.rtMin, rt);
      row.rtMax = row.rtMax === null ? rt : Math.max(row.rtMax, rt);
    }
  }
  return rows;
}

type NaiveTotals = Pick<NaiveRow, 'count' | 'up' | 'degraded' | 'down' | 'missed'> & { codes: Record<string, number> };

/** The totals of each series, by `topic job location`. */
export function naiveTotals(counted: readonly CountedSlot[]): Record<string, NaiveTotals> {
  const totals: Record<string, NaiveTotals> = {};
  for (const { topic, result } of counted) {
    const key = `${topic} ${result.jobId} ${result.location}`;
    totals[key] ??= { count: 0, up: 0, degraded: 0, down: 0, missed: 0, codes: {} };
    totals[key].count++;
    totals[key][result.outcome]++;
    const { codes } = totals[key];
    if (result.status !== null) codes[result.status] = (codes[result.status] ?? 0) + 1;
  }
  return totals;
}

function emptyRow(): NaiveRow {
  const counts = { count: 0, up: 0, degraded: 0, down: 0, missed: 0 };
  return { ...counts, ...NO_MAINTENANCE, rtCount: 0, rtMin: null, rtMax: null, rtSum: 0, data: {}, reasons: {} };
}
