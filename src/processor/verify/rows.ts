import { OUTCOMES } from '../../messages/check-result.ts';
import type { PartitionCounters } from '../tables/offsets.ts';
import type { CountedSeries } from '../tables/series.ts';
import { MAINTENANCE_TOTALS } from '../tables/series-columns.ts';
import type { CountSlots } from './coverage.ts';
import type { ShadowSeries } from './shadow/series.ts';
import type { CountedOffset, VerifiedSpan } from './stored-rows.ts';

/** A row of another table than metrics that is not what the log says. */
export interface RowDifference {
  table: 'series_progress' | 'stream_offsets' | 'results' | 'schedule_spans';
  /** Which row, for people. */
  row: string;
  /** null when the whole row is missing or too many. */
  column: string | null;
  stored: unknown;
  expected: unknown;
}

/** How a stored number may be related to what the part of the log that is left says. */
type Relation = 'equal' | 'at least' | 'at most';

/**
 * Holds a stored series against the log. Where the log has lost its beginning (`isWhole` false), totals are bounds, and the
 * last result is judged only when the log has it.
 */
export function judgeSeries(
  stored: CountedSeries | undefined,
  shadow: ShadowSeries | undefined,
  isWhole: boolean,
): RowDifference[] {
  const found = stored ?? shadow;
  if (!found) return [];
  const judge = new Judge('series_progress', `job ${found.jobId} at ${found.location}, topic ${found.topic}`);
  if (!shadow) {
    // A row that says that nothing was counted says nothing wrong.
    const isEmpty = stored?.count === 0 && stored.slot < 0;
    if (isWhole && stored && !isEmpty) judge.whole({ count: stored.count, slot: stored.slot }, null);
    return judge.differences;
  }
  if (!stored) {
    judge.whole(null, { count: shadow.count, slot: shadow.slot });
    return judge.differences;
  }
  const total = isWhole ? 'equal' : 'at least';
  judge.compare('epoch', stored.epoch, shadow.epoch, total);
  judge.compare('slot', stored.slot, shadow.slot, isWhole || shadow.slot >= 0 ? 'equal' : 'at least');
  // Records that are gone may have shut out results of a lower epoch that are still there.
  const mayHaveShutOut = !isWhole && [...shadow.lastSlotOf.keys()].some((epoch) => epoch < stored.epoch);
  if (!mayHaveShutOut) {
    for (const outcome of OUTCOMES) judge.compare(outcome, stored[outcome], shadow.outcomes[outcome], total);
    for (const column of MAINTENANCE)
      judge.compare(MAINTENANCE_TOTALS[column].name, stored[column], shadow.maintenance[column], total);
    judge.names('value_names', stored.valueNames, shadow.valueNames);
    judge.counters('codes', stored.statusCounts, shadow.statusCounts, total);
  }
  judge.compare(
    'count',
    stored.count,
    OUTCOMES.reduce((sum, outcome) => sum + stored[outcome], 0),
  );
  if (!isWhole && (!shadow.last || mayHaveShutOut)) return judge.differences;
  judge.compare('last_ts', stored.lastTs, shadow.last?.lastTs ?? null);
  judge.compare('last_outcome', stored.lastOutcome, shadow.last?.lastOutcome ?? null);
  judge.compare('last_reason', stored.lastReason, shadow.last?.lastReason ?? null);
  judge.compare('last_status', stored.lastStatus, shadow.last?.lastStatus ?? null);
  judge.compare('last_rt', stored.lastRt, shadow.last?.lastRt ?? null);
  const since = isWhole || shadow.sinceIsKnown ? 'equal' : 'at most';
  judge.compare('since_slot', stored.sinceSlot, shadow.last?.sinceSlot ?? null, since);
  return judge.differences;
}

/**
 * Holds the counters of a partition against its whole log. Repetitions are only a bound: what is counted in parts is read
 * again after a crash in between.
 */
export function judgeOffset(stored: CountedOffset, counters: PartitionCounters): RowDifference[] {
  const judge = new Judge('stream_offsets', `${stored.topic}[${stored.partition}]`);
  judge.compare('results', stored.results, counters.results);
  judge.compare('foreign_results', stored.foreign, counters.foreign);
  judge.compare('dead_letters', stored.deadLetters, counters.deadLetters);
  judge.compare('duplicates', stored.duplicates, counters.duplicates, 'at least');
  judge.compare('fenced', stored.fenced, counters.fenced, 'at least');
  return judge.differences;
}

/** Holds the columns of a span against each other. Spans of cron expressions have neither period nor phase. */
export function judgeSpan(span: VerifiedSpan, countSlots?: CountSlots): RowDifference[] {
  const { jobId, location, periodMs, phaseMs, cron, cronTimezone, fromSlot, toSlot, slotCount } = span;
  const judge = new Judge('schedule_spans', `job ${jobId} at ${location} from ${new Date(fromSlot).toISOString()}`);
  if (periodMs !== null) {
    judge.compare('phase_ms', phaseMs, fromSlot % periodMs);
    judge.compare('slot_count', slotCount, toSlot === null ? null : Math.floor((toSlot - fromSlot) / periodMs) + 1);
  } else if (countSlots && cron !== null) {
    const slots = toSlot === null ? null : countOrNull(() => countSlots(cron, cronTimezone, fromSlot, toSlot));
    if (toSlot === null || slots !== null) judge.compare('slot_count', slotCount, slots);
  }
  return judge.differences;
}

/** An expression that cannot be read is named by the coverage. */
function countOrNull(count: () => number): number | null {
  try {
    return count();
  } catch {
    return null;
  }
}

const MAINTENANCE = ['maintenanceUp', 'maintenanceDegraded', 'maintenanceDown'] as const;

class Judge {
  readonly differences: RowDifference[] = [];
  readonly #place: Pick<RowDifference, 'table' | 'row'>;

  constructor(table: RowDifference['table'], row: string) {
    this.#place = { table, row };
  }

  whole(stored: unknown, expected: unknown): void {
    this.differences.push({ ...this.#place, column: null, stored, expected });
  }

  compare(column: string, stored: unknown, expected: unknown, relation: Relation = 'equal'): void {
    if (holds(stored, expected, relation)) return;
    const bound = relation === 'equal' ? expected : `${relation} ${expected}`;
    this.differences.push({ ...this.#place, column, stored, expected: bound });
  }

  /** Names never become fewer, so that there may be more of them. */
  names(column: string, stored: readonly string[], expected: ReadonlySet<string>): void {
    if ([...expected].every((name) => stored.includes(name))) return;
    this.differences.push({ ...this.#place, column, stored, expected: [...expected] });
  }

  counters(
    column: string,
    stored: Readonly<Record<string, number>>,
    expected: Readonly<Record<string, number>>,
    relation: Relation,
  ): void {
    const keys = new Set([...Object.keys(stored), ...Object.keys(expected)]);
    const of = (counters: Readonly<Record<string, number>>, key: string) =>
      Object.hasOwn(counters, key) ? counters[key] : 0;
    if ([...keys].every((key) => holds(of(stored, key), of(expected, key), relation))) return;
    this.differences.push({ ...this.#place, column, stored, expected: { ...expected } });
  }
}

function holds(stored: unknown, expected: unknown, relation: Relation): boolean {
  if (relation === 'equal' || typeof stored !== 'number' || typeof expected !== 'number') return stored === expected;
  return relation === 'at least' ? stored >= expected : stored <= expected;
}
