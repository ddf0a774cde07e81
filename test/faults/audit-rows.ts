import { elementAt } from '../../src/core/element-at.ts';
import type { Database } from '../../src/postgres/database.ts';

export interface RawResult {
  job_id: number;
  location: string;
  slot: number;
  slots: number;
  period_ms: number | null;
  outcome: string;
  reason: string | null;
  status: string | null;
  rt: number | null;
}

/** The numbers of a row of `metrics`, or of a series since its beginning. */
interface Numbers {
  count: number;
  up: number;
  degraded: number;
  down: number;
  missed: number;
  rt_count: number;
  rt_min: number | null;
  rt_max: number | null;
  rt_sum: number;
  data: Record<string, number>;
  reasons: Record<string, number>;
  /** Times by the least value of a bin, microseconds. */
  rt_hist: Record<string, number>;
  extra: object;
}

interface StoredRow extends Omit<Numbers, 'rt_hist'> {
  key: string;
  granularity: string;
  rt_hist: Buffer;
}

const WIDTHS: Readonly<Record<string, number>> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };
const SELECT_ROWS = `
  SELECT concat_ws(' ', granularity, job_id, location, (extract(epoch FROM dt) * 1000)::bigint) AS key, granularity,
    count, up, degraded, down, missed, rt_count, rt_min, rt_max, rt_sum, data, reasons, rt_hist, extra
  FROM metrics
  WHERE granularity = ANY ($1) AND job_id = ANY ($2)`;
const SELECT_SERIES = `
  SELECT concat_ws(' ', 'series', job_id, location) AS key, sum(count)::bigint AS count, sum(up)::bigint AS up,
    sum(degraded)::bigint AS degraded, sum(down)::bigint AS down, sum(missed)::bigint AS missed
  FROM series_progress
  WHERE job_id = ANY ($1)
  GROUP BY job_id, location`;

/**
 * Adds the raw results up on its own, with nothing of the code that counts, and compares every column of every row of
 * every minute, hour and day, the open ones too, and the counts of each series.
 */
export async function compareRows(
  database: Database,
  results: readonly RawResult[],
): Promise<{ rows: Record<string, number>; wrongRows: number; problems: string[] }> {
  const jobs = [...new Set(results.map((result) => result.job_id))];
  const expected = addUp(results);
  const problems: string[] = [];
  const rows: Record<string, number> = {};
  let wrongRows = 0;
  const judge = (key: string, stored: object) => {
    const wanted = expected.get(key);
    expected.delete(key);
    const found = wanted ? differences(stored, wanted) : ['it has no raw results'];
    problems.push(...found.map((difference) => `row ${key}: ${difference}`));
    if (found.length > 0) wrongRows++;
  };
  const metrics = await database.query<StoredRow>(SELECT_ROWS, [Object.keys(WIDTHS), jobs]);
  for (const { key, granularity, rt_hist, ...numbers } of metrics.rows) {
    rows[granularity] = (rows[granularity] ?? 0) + 1;
    judge(key, { ...numbers, rt_hist: readBins(rt_hist) });
  }
  const series = await database.query<{ key: string }>(SELECT_SERIES, [jobs]);
  for (const { key, ...numbers } of series.rows) judge(key, numbers);
  for (const key of expected.keys()) problems.push(`row ${key} is missing`);
  return { rows, wrongRows: wrongRows + expected.size, problems };
}

/** In which columns of `stored` it is not what it should be, in words. */
function differences(stored: object, wanted: Numbers): string[] {
  return Object.entries(stored).flatMap(([column, value]) => {
    const given = inOrder(value);
    const right = inOrder(wanted[column as keyof Numbers]);
    return given === right ? [] : [`${column} is ${given}, its raw results say ${right}`];
  });
}

function addUp(results: readonly RawResult[]): Map<string, Numbers> {
  const sums = new Map<string, Numbers>();
  for (const result of results) {
    const series = `${result.job_id} ${result.location}`;
    for (let back = 0; back < result.slots; back++) {
      const slot = result.slot - back * (result.period_ms ?? 0);
      add(sums, `series ${series}`, result);
      for (const [granularity, width] of Object.entries(WIDTHS)) {
        add(sums, `${granularity} ${series} ${slot - (slot % width)}`, result);
      }
    }
  }
  return sums;
}

function add(sums: Map<string, Numbers>, key: string, result: RawResult): void {
  let sum = sums.get(key);
  if (!sum) {
    const counts = {
      count: 0,
      up: 0,
      degraded: 0,
      down: 0,
      missed: 0,
      rt_count: 0,
      rt_min: null,
      rt_max: null,
      rt_sum: 0,
    };
    sum = { ...counts, data: {}, reasons: {}, rt_hist: {}, extra: {} };
    sums.set(key, sum);
  }
  sum.count++;
  sum[result.outcome as 'up' | 'degraded' | 'down' | 'missed']++;
  if (result.status !== null) increase(sum.data, result.status);
  if (result.reason !== null) increase(sum.reasons, result.reason);
  if (result.rt === null) return;
  sum.rt_count++;
  sum.rt_sum += result.rt;
  sum.rt_min = Math.min(sum.rt_min ?? result.rt, result.rt);
  sum.rt_max = Math.max(sum.rt_max ?? result.rt, result.rt);
  increase(sum.rt_hist, String(leastOfBin(result.rt)));
}

function increase(counters: Record<string, number>, key: string): void {
  counters[key] = (counters[key] ?? 0) + 1;
}

/** Whole microseconds, 64 bins an octave from 64 on: the seven highest bits of a value stay. */
function leastOfBin(micros: number): number {
  let width = 1;
  while (micros >= 128 * width) width *= 2;
  return Math.floor(micros / width) * width;
}

/** The stored form: pairs of the distance from the bin before and of a count, base-128 numbers with the low digits first. */
function readBins(bytes: Buffer): Record<string, number> {
  const numbers: number[] = [];
  for (let at = 0; at < bytes.length; at++) {
    let number = 0;
    let unit = 1;
    for (; bytes.readUInt8(at) >= 128; at++, unit *= 128) number += (bytes.readUInt8(at) - 128) * unit;
    numbers.push(number + bytes.readUInt8(at) * unit);
  }
  const bins: Record<string, number> = {};
  for (let at = 0, bin = 0; at < numbers.length; at += 2) {
    bin += elementAt(numbers, at);
    // Bins 64 to 127 of an octave are its values, halved as often as it takes.
    const octave = Math.max(0, Math.floor(bin / 64) - 1);
    bins[(bin - octave * 64) * 2 ** octave] = elementAt(numbers, at + 1);
  }
  return bins;
}

/** JSON with the keys of an object in their order. */
function inOrder(value: unknown): string {
  const isCounters = typeof value === 'object' && value !== null;
  return JSON.stringify(
    isCounters ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) : value,
  );
}
