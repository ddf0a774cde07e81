import { elementAt } from '../../core/element-at.ts';
import { OUTCOMES } from '../../messages/check-result.ts';
import { Interner } from '../../messages/interner.ts';
import { NO_REASON, NO_STATUS, type ResultColumns } from '../../messages/result-columns.ts';
import type { Merge } from '../aggregate.ts';
import { NUMBER_COLUMNS } from '../columns.ts';
import { bucketStart } from '../granularity.ts';
import { binOf } from '../histogram.ts';
import { type GranularityPlan, planMetrics } from '../metrics-plan.ts';
import { addAmount, mergeNumbers } from '../number-aggregate.ts';
import { MetricSelector, type Selection } from '../selection.ts';
import { CellLog } from './cell-log.ts';
import { CellTable, groupBy } from './cell-table.ts';
import { MetricDeltas } from './deltas.ts';
import { ExtraStates } from './extra-states.ts';
import { KeptLevels } from './kept-levels.ts';
import {
  BYTES,
  type FieldLayout,
  IN_MAINTENANCE,
  OTHERS,
  OUTCOME,
  REASON_CODE,
  RESPONSE_TIME,
  STATUS_CODE,
  STRIDE,
  TOTAL,
} from './layout.ts';
import { RowTable } from './rows.ts';
import { SeriesIds } from './series-ids.ts';
import { doubled } from './series-index.ts';

/**
 * Sums results up into buckets. A result is added to the rows of the shortest granularity only; longer ones that are
 * whole multiples of it are made of those rows when they are taken. Series, rows, statuses and locations are small whole
 * numbers, and all that is counted lies in typed arrays: nothing is allocated per result.
 */
export class Accumulator {
  readonly #plans: readonly GranularityPlan[];
  readonly #durations: readonly number[];
  /** Levels (indexes of plans) that results are added to, unless they are too old for them. */
  readonly #roots: readonly number[];
  readonly #kept: KeptLevels;
  /** Something was added that is too old for a level. */
  #hasOld = false;
  /** Per level: the levels that are made of its rows. */
  readonly #parents: ReadonlyArray<readonly number[]>;
  readonly #selectionOf: (jobId: number) => Selection;
  readonly #ids: SeriesIds;
  readonly #ownsIds: boolean;
  readonly #statuses = new Interner();
  readonly #cells = new CellLog();
  #rows = new RowTable();
  readonly #extras = new ExtraStates();
  /** So many series have room in #last. */
  #room: number;
  /** Per level and series: the row used last + 1. */
  readonly #last: Int32Array[];
  /** Per level: its rows, and the rows they are made of. */
  readonly #links: Links[];

  /**
   * `plans` are the granularities and what is kept for each, as planMetrics gives them. `ids` may be shared with others,
   * which may clear them straight after `take`. `selectionOf` may return another selection at any time; absent: that of the plans.
   */
  constructor(
    plans: readonly GranularityPlan[] = planMetrics(),
    ids?: SeriesIds,
    selectionOf?: (jobId: number) => Selection,
  ) {
    this.#ids = ids ?? new SeriesIds();
    this.#ownsIds = ids === undefined;
    this.#plans = [...plans].sort((a, b) => a.durationMs - b.durationMs);
    this.#durations = this.#plans.map((plan) => plan.durationMs);
    const feeders = this.#durations.map((duration, level) =>
      this.#durations.findLastIndex((shorter, other) => other < level && duration % shorter === 0),
    );
    const levels = [...this.#durations.keys()];
    this.#roots = levels.filter((level) => feeders[level] === -1);
    this.#parents = levels.map((level) => levels.filter((other) => feeders[other] === level));
    this.#kept = new KeptLevels(this.#roots, this.#parents);
    const { base } = new MetricSelector(this.#plans);
    this.#selectionOf = selectionOf ?? (() => base);
    this.#room = this.#ids.jobIds.length;
    this.#last = levels.map(() => new Int32Array(this.#room));
    this.#links = levels.map(() => new Links());
  }

  /** How many rows of `metrics` a flush would touch now. */
  get size(): number {
    return this.#rows.length;
  }

  /** From now on rows of level n (of the plans, shortest first) that begin before floorsMs[n] are not made. */
  keepFrom(floorsMs: readonly number[]): void {
    this.#kept.keepFrom(floorsMs);
    this.#hasOld = true;
  }

  /** How many of `slots` that begin at `firstSlot` make about `most` rows at most, at least one, and how many they make. */
  fitting(most: number, firstSlot: number, slots: number, periodMs: number): { slots: number; rows: number } {
    const endMs = firstSlot + slots * periodMs;
    let rows = 0;
    let at = firstSlot;
    while (rows < most && at < endMs) {
      const durations = this.#kept.levels(at).map((level) => elementAt(this.#durations, level));
      const stepMs = Math.max(Math.min(...durations), periodMs);
      const until = Math.min(at + (most - rows) * stepMs, this.#kept.until(at), endMs);
      rows += Math.ceil((until - at) / stepMs);
      at = until;
    }
    return { slots: Math.min(slots, Math.max(1, Math.ceil((at - firstSlot) / periodMs))), rows };
  }

  /**
   * Adds row `row` of `columns`: to the bucket of its slot, or of its `ts` when it has none. A range is added whole.
   * `series` is its number in the ids, for callers that know it.
   */
  add(columns: ResultColumns, row: number, series = this.#ids.idOf(columns, row)): void {
    const slots = columns.slots[row] as number;
    const slot = columns.slot[row] as number;
    if (slots !== 1) {
      const periodMs = columns.periodMs[row] as number;
      this.addRange(columns, row, slot - (slots - 1) * periodMs, slots, periodMs);
      return;
    }
    this.#reach(series);
    const at = slot >= 0 ? slot : (columns.ts[row] as number);
    const levels = at >= this.#kept.wholeFromMs ? this.#roots : this.#levelsAt(at);
    for (let index = 0; index < levels.length; index++) {
      this.#count(columns, row, this.#rowAt(series, levels[index] as number, at), 1);
    }
  }

  /** Adds `count` slots that begin at `firstSlot` and lie `periodMs` apart, each as row `row` says. */
  addRange(columns: ResultColumns, row: number, firstSlot: number, count: number, periodMs: number): void {
    if (count <= 0) return;
    const series = this.#ids.idOf(columns, row);
    this.#reach(series);
    for (let from = 0; from < count; ) {
      const first = firstSlot + from * periodMs;
      const to = Math.min(count, from + Math.ceil((this.#kept.until(first) - first) / periodMs));
      for (const level of this.#levelsAt(first)) this.#addTo(level, series, columns, row, first, to - from, periodMs);
      from = to;
    }
  }

  #addTo(
    level: number,
    series: number,
    columns: ResultColumns,
    row: number,
    firstSlot: number,
    count: number,
    periodMs: number,
  ): void {
    const duration = this.#durations[level] as number;
    let slot = firstSlot;
    for (let left = count; left > 0; ) {
      const end = bucketStart(slot, duration) + duration;
      const times = Math.min(left, Math.ceil((end - slot) / periodMs));
      this.#count(columns, row, this.#rowAt(series, level, slot), times);
      slot += times * periodMs;
      left -= times;
    }
  }

  #levelsAt(timeMs: number): readonly number[] {
    if (timeMs < this.#kept.wholeFromMs) this.#hasOld = true;
    return this.#kept.levels(timeMs);
  }

  /** Everything added since the last time, also what is not kept; the accumulator is empty afterwards. */
  take(): MetricDeltas {
    const rows = this.#rows;
    const cells = new CellTable(rows.length);
    this.#cells.sumUp(rows.length, cells, (row) => {
      const count = rows.statusCount[row] as number;
      if (count > 0) cells.add(STATUS_CODE + (rows.status[row] as number) - 1, count);
    });
    for (const links of this.#links) this.#rollUp(links, cells);
    addTotals(rows.values, rows.length);
    const taken = new MetricDeltas({
      plans: this.#plans,
      length: rows.length,
      level: rows.level,
      bucketMs: rows.bucketMs,
      values: rows.values,
      jobId: rows.series.subarray(0, rows.length).map((series) => this.#ids.jobIds[series] as number),
      location: rows.series.subarray(0, rows.length).map((series) => this.#ids.locations[series] as number),
      locations: this.#ids.names,
      cellStart: cells.start,
      cellEnd: cells.end,
      cellCode: cells.code,
      cellCount: cells.count,
      statuses: this.#statuses.names,
      extras: this.#extras.take(),
    });
    this.#reset();
    return taken;
  }

  /** Of what was taken last, what is kept. */
  keptOf(taken: MetricDeltas): MetricDeltas {
    if (!this.#hasOld) return taken;
    this.#hasOld = false;
    return taken.filter((level, bucketMs) => this.#kept.isKept(level, bucketMs));
  }

  #reset(): void {
    this.#rows = new RowTable(this.#rows.length);
    this.#cells.clear();
    for (const links of this.#links) links.length = 0;
    for (const last of this.#last) last.fill(0, 0, this.#ids.size);
    this.#statuses.trim(MAX_TEXTS);
    if (this.#ownsIds && (this.#ids.names.length > MAX_TEXTS || this.#ids.size > MAX_SERIES)) this.#ids.clear();
  }

  /** Makes room for the rows of series number `series`. */
  #reach(series: number): void {
    for (; series >= this.#room; this.#room *= 2) {
      for (const [level, last] of this.#last.entries()) this.#last[level] = doubled(last);
    }
  }

  #rowAt(series: number, level: number, timeMs: number): number {
    const row = ((this.#last[level] as Int32Array)[series] as number) - 1;
    if (row >= 0) {
      const since = timeMs - (this.#rows.bucketMs[row] as number);
      if (since >= 0 && since < (this.#durations[level] as number)) return row;
    }
    return this.#findRow(series, level, timeMs);
  }

  #findRow(series: number, level: number, timeMs: number): number {
    const before = this.#rows.length;
    const row = this.#rows.find(series, level, bucketStart(timeMs, this.#durations[level] as number));
    (this.#last[level] as Int32Array)[series] = row + 1;
    if (row === before) {
      this.#extras.begin(row, this.#selectionOf(this.#ids.jobIds[series] as number));
      for (const parent of this.#parents[level] as readonly number[]) {
        (this.#links[parent] as Links).push(row, this.#rowAt(series, parent, timeMs));
      }
    }
    return row;
  }

  #count(columns: ResultColumns, row: number, target: number, times: number): void {
    const values = this.#rows.values;
    const at = target * STRIDE;
    const outcome = at + OUTCOME + (columns.outcome[row] as number);
    values[outcome] = (values[outcome] as number) + times;
    const micros = columns.rtMicros[row] as number;
    if (micros >= 0) {
      // addMeasured, written out: with constants instead of a layout a result costs 6 % less.
      if (RT_COUNT >= 0) values[at + RT_COUNT] = (values[at + RT_COUNT] as number) + times;
      if (RT_SUM >= 0) values[at + RT_SUM] = (values[at + RT_SUM] as number) + micros * times;
      if (RT_LEAST >= 0) {
        const before = values[at + RT_LEAST] as number;
        if (before < 0 || micros < before) values[at + RT_LEAST] = micros;
      }
      if (RT_GREATEST >= 0 && micros > (values[at + RT_GREATEST] as number)) values[at + RT_GREATEST] = micros;
      if (RT_BINS >= 0) {
        // #countCell, written out: the call costs more than the rest.
        if (times === 1) this.#cells.add(target, RT_BINS + binOf(micros));
        else this.#cells.addMany(target, RT_BINS + binOf(micros), times);
      }
    }
    if (BYTES.isKept) this.#countBytes(columns.bytes[row] as number, target, times);
    if (columns.maintenance[row] !== 0) addAmounts(IN_MAINTENANCE, values, at, columns, row, times);
    if (OTHERS.length > 0) addAmounts(OTHERS, values, at, columns, row, times);
    const status = columns.status[row] as number;
    if (status !== NO_STATUS) this.#countStatus(target, 1 + this.#statuses.translate(columns.statuses, status), times);
    const reason = columns.reason[row] as number;
    if (reason !== NO_REASON) this.#countCell(target, REASON_CODE + reason, times);
    if (!this.#extras.isEmpty) this.#extras.add(target, columns, row, times);
  }

  #countBytes(bytes: number, target: number, times: number): void {
    if (bytes < 0) return;
    addMeasured(this.#rows.values, target * STRIDE, BYTES, bytes, times);
    if (BYTES.bins >= 0) this.#countCell(target, BYTES.bins + binOf(bytes), times);
  }

  #countCell(target: number, code: number, times: number): void {
    if (times === 1) this.#cells.add(target, code);
    else this.#cells.addMany(target, code, times);
  }

  #countStatus(target: number, status: number, times: number): void {
    const rows = this.#rows;
    if (rows.status[target] === 0) rows.status[target] = status;
    if (rows.status[target] === status) rows.statusCount[target] = (rows.statusCount[target] as number) + times;
    else this.#cells.addMany(target, STATUS_CODE + status - 1, times);
  }

  /** Makes the rows of one level of the rows they are linked to, whose own values must be complete. */
  #rollUp(links: Links, cells: CellTable): void {
    const { values } = this.#rows;
    const children = groupBy(links.parents, links.children, links.length, this.#rows.length);
    for (let parent = 0; parent < this.#rows.length; parent++) {
      const end = children.start[parent + 1] as number;
      if (children.start[parent] === end) continue;
      // Results that were added to it directly, being too old for the rows it is made of.
      cells.addRow(parent);
      for (let at = children.start[parent] as number; at < end; at++) {
        const child = children.members[at] as number;
        mergeValues(values, parent * STRIDE, child * STRIDE);
        cells.addRow(child);
        if (!this.#extras.isEmpty) this.#extras.merge(parent, child);
      }
      cells.close(parent);
    }
  }
}

const { count: RT_COUNT, sum: RT_SUM, least: RT_LEAST, greatest: RT_GREATEST, bins: RT_BINS } = RESPONSE_TIME;
const MAX_TEXTS = 4096;
const MAX_SERIES = 1 << 20;

/** Pairs of a row and the row of a longer bucket that it is part of. */
class Links {
  length = 0;
  children = new Int32Array(64);
  parents = new Int32Array(64);

  push(child: number, parent: number): void {
    if (this.length === this.children.length) {
      this.children = doubled(this.children);
      this.parents = doubled(this.parents);
    }
    this.children[this.length] = child;
    this.parents[this.length++] = parent;
  }
}

function mergeValues(values: Float64Array, into: number, from: number): void {
  for (let offset = 0; offset < STRIDE; offset++) {
    values[into + offset] = mergeNumbers(
      MERGES[offset] as Merge,
      values[into + offset] as number,
      values[from + offset] as number,
    );
  }
}

/** Adds a measured value to the numbers of its field. */
function addMeasured(
  values: Float64Array,
  at: number,
  { count, sum, least, greatest }: FieldLayout,
  value: number,
  times: number,
): void {
  if (count >= 0) values[at + count] = (values[at + count] as number) + times;
  if (sum >= 0) values[at + sum] = (values[at + sum] as number) + value * times;
  if (least >= 0) {
    const before = values[at + least] as number;
    if (before < 0 || value < before) values[at + least] = value;
  }
  if (greatest >= 0 && value > (values[at + greatest] as number)) values[at + greatest] = value;
}

/** Every result has one outcome. Summed up per row: a number that every result changes would cost each of them. */
function addTotals(values: Float64Array, rows: number): void {
  for (let at = 0; at < rows * STRIDE; at += STRIDE) {
    let total = 0;
    for (let outcome = 0; outcome < OUTCOMES.length; outcome++) total += values[at + OUTCOME + outcome] as number;
    values[at + TOTAL] = total;
  }
}

function addAmounts(
  numbers: typeof OTHERS,
  values: Float64Array,
  at: number,
  columns: ResultColumns,
  row: number,
  times: number,
): void {
  for (const { offset, merge, amount } of numbers) {
    values[at + offset] = addAmount(merge, values[at + offset] as number, amount(columns, row), times);
  }
}

const MERGES = NUMBER_COLUMNS.map(({ merge }) => merge);
