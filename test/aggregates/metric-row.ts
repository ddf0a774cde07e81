import type { MetricDeltas } from '../../src/aggregates/accumulator/deltas.ts';
import { REASON_CODE, STATUS_CODE, STRIDE } from '../../src/aggregates/accumulator/layout.ts';
import { NUMBER_COLUMNS } from '../../src/aggregates/columns.ts';
import { REASONS } from '../../src/messages/check-result.ts';
import type { MetricNumbers } from '../../src/stats/queries/metrics.ts';

/** What is to be added to one row of `metrics`, for comparing and showing. Times in ms, response times in microseconds. */
export interface MetricRow extends MetricNumbers {
  granularity: string;
  jobId: number;
  location: string;
  /** Start of the bucket, ms since the epoch, UTC. */
  bucketMs: number;
  rtHist: Record<string, number>;
  extra: Record<string, number | Record<string, number>>;
}

export function* rowsOf(deltas: MetricDeltas): Generator<MetricRow> {
  for (let row = 0; row < deltas.length; row++) yield rowOf(deltas, row);
}

export function rowOf(deltas: MetricDeltas, row: number): MetricRow {
  const { plans, level, jobId, location, locations, bucketMs, values } = deltas.arrays;
  const { name, columns } = plans[level[row]];
  const numbers = new Map(NUMBER_COLUMNS.map((column, offset) => [column.name, values[row * STRIDE + offset]]));
  const kept = (column: string) => (columns.has(column) ? (numbers.get(column) ?? NaN) : null);
  const value = (column: string) => ((kept(column) ?? -1) < 0 ? null : kept(column));
  const cells = cellsOf(deltas, row);
  return {
    granularity: name,
    jobId: jobId[row],
    location: locations[location[row]],
    bucketMs: bucketMs[row],
    count: kept('count') ?? NaN,
    up: kept('up') ?? NaN,
    degraded: kept('degraded') ?? NaN,
    down: kept('down') ?? NaN,
    missed: kept('missed') ?? NaN,
    maintenanceUp: kept('maintenance_up') ?? NaN,
    maintenanceDegraded: kept('maintenance_degraded') ?? NaN,
    maintenanceDown: kept('maintenance_down') ?? NaN,
    rtCount: kept('rt_count') ?? 0,
    rtMin: value('rt_min'),
    rtMax: value('rt_max'),
    rtSum: kept('rt_sum') ?? 0,
    data: columns.has('data') ? cells.data : {},
    reasons: columns.has('reasons') ? cells.reasons : {},
    rtHist: columns.has('rt_hist') ? cells.rtHist : {},
    extra: extraOf(deltas, row),
  };
}

/** The stored values of a row's aggregates without a column of their own, by key; absent where there is none. */
function extraOf(deltas: MetricDeltas, row: number): MetricRow['extra'] {
  const { level, extras } = deltas.arrays;
  const found = extras[row];
  const stored: MetricRow['extra'] = {};
  for (const { metric, index, isOfAll } of found?.selection.levels[level[row]] ?? []) {
    const value = metric.aggregate.toStored(found!.states[index]);
    if (value !== null || !isOfAll) stored[metric.key] = value as never;
  }
  return stored;
}

function cellsOf(deltas: MetricDeltas, row: number): Pick<MetricRow, 'data' | 'reasons' | 'rtHist'> {
  const { cellStart, cellEnd, cellCode, cellCount, statuses } = deltas.arrays;
  const data: Array<[string, number]> = [];
  const reasons: Array<[string, number]> = [];
  const rtHist: Array<[number, number]> = [];
  for (let cell = cellStart[row]; cell < cellEnd[row]; cell++) {
    const code = cellCode[cell];
    if (code < REASON_CODE) rtHist.push([code, cellCount[cell]]);
    else if (code < STATUS_CODE) reasons.push([REASONS[code - REASON_CODE], cellCount[cell]]);
    else data.push([statuses[code - STATUS_CODE], cellCount[cell]]);
  }
  // fromEntries makes own properties even of a status such as __proto__.
  return { data: Object.fromEntries(data), reasons: Object.fromEntries(reasons), rtHist: Object.fromEntries(rtHist) };
}
