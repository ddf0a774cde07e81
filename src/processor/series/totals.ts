import type { MetricDeltas } from '../../aggregates/accumulator/deltas.ts';
import { IN_MAINTENANCE, OUTCOME, STATUS_CODE, STRIDE } from '../../aggregates/accumulator/layout.ts';
import { elementAt } from '../../core/element-at.ts';
import { OUTCOMES, type Outcome } from '../../messages/check-result.ts';
import type { SeriesDelta, SeriesMoves } from '../tables/series.ts';

/**
 * Adds to the changes of series what their totals grow by: outcomes and statuses, summed up over the rows of the longest granularity,
 * which every counted result is part of exactly once. Counting them result by result would cost more than the rest.
 */
export function withTotals(moves: SeriesMoves, { arrays }: MetricDeltas): SeriesDelta {
  const { length } = moves;
  const { plans, level, jobId, location, locations, values, cellStart, cellEnd, cellCode, cellCount, statuses } =
    arrays;
  const zeros = () => new Array<number>(length).fill(0);
  const totals: Record<Outcome, number[]> = { up: zeros(), degraded: zeros(), down: zeros(), missed: zeros() };
  const inMaintenance = { maintenanceUp: zeros(), maintenanceDegraded: zeros(), maintenanceDown: zeros() };
  const sums = [
    ...OUTCOMES.map((outcome, index) => ({ offset: OUTCOME + index, into: totals[outcome] })),
    ...Object.values(inMaintenance).map((into, index) => ({ offset: elementAt(IN_MAINTENANCE, index).offset, into })),
  ];
  const counts: Array<Map<number, number> | undefined> = new Array(length);
  const positions = positionsOf(moves, locations);
  const longest = plans.length - 1;
  for (let row = 0; row < arrays.length; row++) {
    if (level[row] !== longest) continue;
    const position = positions.get(keyOf(jobId[row] as number, location[row] as number));
    if (position === undefined) throw new Error('A metric of a series that has not changed');
    for (const { offset, into } of sums) {
      into[position] = elementAt(into, position) + (values[row * STRIDE + offset] as number);
    }
    for (let cell = cellStart[row] as number; cell < (cellEnd[row] as number); cell++) {
      const status = (cellCode[cell] as number) - STATUS_CODE;
      if (status < 0) continue;
      const ofSeries = counts[position] ?? new Map<number, number>();
      counts[position] = ofSeries;
      ofSeries.set(status, (ofSeries.get(status) ?? 0) + (cellCount[cell] as number));
    }
  }
  const names = statuses.map((status) => JSON.stringify(status));
  return {
    ...moves,
    ...totals,
    ...inMaintenance,
    statusCounts: Array.from(counts, (added) => toJson(added, names)),
    newStatusCounts: Array.from(counts, (added, position) =>
      addCounts(elementAt(moves.oldStatusCounts, position), added, statuses),
    ),
  };
}

function positionsOf(moves: SeriesMoves, locations: readonly string[]): Map<number, number> {
  const ids = new Map(locations.map((name, id) => [name, id]));
  const positions = new Map<number, number>();
  for (const [position, jobId] of moves.jobId.entries()) {
    const id = ids.get(elementAt(moves.location, position));
    if (id !== undefined) positions.set(keyOf(jobId, id), position);
  }
  return positions;
}

/** Job ids are below 2^31, so that a whole number has room for both. */
function keyOf(jobId: number, location: number): number {
  return location * 2 ** 31 + jobId;
}

function toJson(counts: Map<number, number> | undefined, names: readonly string[]): string {
  if (counts === undefined) return '{}';
  let json = '';
  for (const [status, count] of counts) json += `${json === '' ? '' : ','}${names[status]}:${count}`;
  return `{${json}}`;
}

/** The counters of JSON text with others added. */
function addCounts(old: string, counts: Map<number, number> | undefined, statuses: readonly string[]): string {
  if (counts === undefined) return old;
  const sums = new Map(Object.entries(JSON.parse(old) as Record<string, number>));
  for (const [id, count] of counts) {
    const status = elementAt(statuses, id);
    sums.set(status, (sums.get(status) ?? 0) + count);
  }
  return JSON.stringify(Object.fromEntries(sums));
}
