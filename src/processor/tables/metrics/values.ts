import { extrasOf, type MetricDeltas } from '../../../aggregates/accumulator/deltas.ts';
import { REASON_CODE, STATUS_CODE, STRIDE } from '../../../aggregates/accumulator/layout.ts';
import type { Merge } from '../../../aggregates/aggregate.ts';
import { COLUMNS, COUNTERS_COLUMNS, HISTOGRAM_COLUMNS, NUMBER_COLUMNS } from '../../../aggregates/columns.ts';
import { BINS } from '../../../aggregates/histogram.ts';
import type { GranularityPlan } from '../../../aggregates/metrics-plan.ts';
import { EMPTY } from '../../../aggregates/number-aggregate.ts';
import { elementAt } from '../../../core/element-at.ts';
import { REASONS } from '../../../messages/check-result.ts';
import { OutOfRangeError } from '../../../postgres/database.ts';
import { CellSum } from './cell-sum.ts';

/** All columns of a row of `metrics` but its key, whole, and as compact as very many of them need to be. */
export interface MetricValues {
  /** Version of the row: raised by each write. */
  writes: number;
  /** In the order of NUMBER_COLUMNS; -1: NULL. */
  numbers: number[];
  /** The bytes of each of HISTOGRAM_COLUMNS, one a character. */
  bins: string[];
  /** Reasons and statuses by their codes from FIRST_COUNTER on, as CellSum packs them. */
  counters: string;
  /** JSON text. */
  extra: string;
}

/** Counters have codes from here on. */
export const FIRST_COUNTER = REASON_CODE;

/** A row as SELECTED_COLUMNS give it: numbers, counters and bytes by the name of their column. */
export type SelectedValues = { writes: number; extra: string } & Record<
  string,
  number | string | null | Buffer | Record<string, number>
>;

export const SELECTED_COLUMNS = `writes, ${COLUMNS.map(({ name }) => name).join(', ')}, extra::text AS extra`;

/** Deltas with the look-up tables for adding their rows. */
export interface PreparedDeltas {
  readonly deltas: MetricDeltas;
  /** By status number of the deltas. */
  readonly statusCodes: Int32Array;
  readonly extras: GranularityPlan['extras'];
  /** By level: which columns are kept. */
  readonly kept: readonly KeptColumns[];
}

interface KeptColumns {
  /** Offsets of the numbers to merge, by how. Separate lists: a branch for each number costs more than the sum. */
  readonly sums: readonly number[];
  readonly least: readonly number[];
  readonly greatest: readonly number[];
  /** In the order of HISTOGRAM_COLUMNS. */
  readonly bins: readonly boolean[];
  readonly reasons: boolean;
  readonly statuses: boolean;
}

/** Makes the new values of rows from their old ones and deltas: begin, add (as often as needed), end. */
export class MetricMerger {
  readonly codes = new CounterCodes();
  readonly #sum = new CellSum();
  readonly #firstVersion: () => number;
  #reasonCodes = new Int32Array(0);

  /**
   * `firstVersion` gives the version of a new row. Versions begin at random, so that a row that was removed and made again
   * is not taken for the one that a process remembers.
   */
  constructor(firstVersion: () => number = randomVersion) {
    this.#firstVersion = firstVersion;
  }

  prepare(deltas: MetricDeltas): PreparedDeltas {
    const { statuses, plans } = deltas.arrays;
    const statusCodes = Int32Array.from(statuses, (status) => this.codes.of(status, true));
    this.#reasonCodes = Int32Array.from(REASONS, (reason) => this.codes.of(reason, false));
    const kept = plans.map(({ columns }) => ({
      sums: offsetsOf('sum', columns),
      least: offsetsOf('least', columns),
      greatest: offsetsOf('greatest', columns),
      bins: HISTOGRAM_COLUMNS.map(({ name }) => columns.has(name)),
      reasons: COUNTERS_COLUMNS.some(({ field, name }) => field === 'reason' && columns.has(name)),
      statuses: COUNTERS_COLUMNS.some(({ field, name }) => field === 'status' && columns.has(name)),
    }));
    return { deltas, statusCodes, extras: extrasOf(plans), kept };
  }

  /** A copy of `base` (an empty row when there is none) with the next version. */
  begin(base: MetricValues | undefined): MetricValues {
    this.#sum.take(0, Number.POSITIVE_INFINITY); // Left by a row that could not be ended.
    if (!base) {
      const writes = this.#firstVersion();
      return { writes, numbers: EMPTY_NUMBERS.slice(), bins: NO_BINS, counters: '', extra: '{}' };
    }
    for (let index = 0; index < base.bins.length; index++)
      this.#sum.addPacked(elementAt(base.bins, index), index * BINS);
    this.#sum.addPacked(base.counters, FIRST_COUNTER);
    const { numbers, bins, counters, extra } = base;
    return { writes: base.writes + 1, numbers: numbers.slice(), bins, counters, extra };
  }

  add(values: MetricValues, { deltas, statusCodes, extras, kept }: PreparedDeltas, row: number): void {
    const { plans, level, values: added, cellStart, cellEnd, cellCode, cellCount } = deltas.arrays;
    const keeps = elementAt(kept, level[row] as number);
    const { numbers } = values;
    const at = row * STRIDE;
    for (const offset of keeps.sums) numbers[offset] = (numbers[offset] as number) + (added[at + offset] as number);
    for (const offset of keeps.least) {
      const value = added[at + offset] as number;
      const before = numbers[offset] as number;
      if (value >= 0 && (before < 0 || value < before)) numbers[offset] = value;
    }
    for (const offset of keeps.greatest) {
      const value = added[at + offset] as number;
      if (value > (numbers[offset] as number)) numbers[offset] = value;
    }
    for (let cell = cellStart[row] as number; cell < (cellEnd[row] as number); cell++) {
      const code = cellCode[cell] as number;
      if (code < REASON_CODE) {
        if (keeps.bins[(code / BINS) | 0]) this.#sum.add(code, cellCount[cell] as number);
      } else if (code < STATUS_CODE) {
        if (keeps.reasons) this.#sum.add(this.#reasonCodes[code - REASON_CODE] as number, cellCount[cell] as number);
      } else if (keeps.statuses) {
        this.#sum.add(statusCodes[code - STATUS_CODE] as number, cellCount[cell] as number);
      }
    }
    const wanted = elementAt(plans, level[row] as number).extras;
    if (wanted.length === 0) return;
    const extra = JSON.parse(values.extra) as Record<string, number | Record<string, number>>;
    for (const { key } of wanted) {
      const index = extras.findIndex((one) => one.key === key);
      const { aggregate } = elementAt(extras, index);
      const stored = aggregate.fromStored(Object.hasOwn(extra, key) ? (extra[key] ?? null) : null);
      const merged = aggregate.toStored(aggregate.merge(stored, elementAt(deltas.arrays.extras, row)[index]));
      if (merged !== null) extra[key] = merged;
    }
    values.extra = JSON.stringify(extra);
  }

  /** Throws OutOfRangeError when a number cannot be held exactly any more. */
  end(values: MetricValues): void {
    const bins: string[] = [];
    for (let from = 0; from < FIRST_COUNTER; from += BINS) bins.push(this.#sum.take(from, from + BINS));
    values.bins = bins;
    values.counters = this.#sum.take(FIRST_COUNTER, Number.POSITIVE_INFINITY);
    const { numbers } = values;
    for (let column = 0; column < numbers.length; column++) {
      const number = numbers[column] as number;
      if (number <= Number.MAX_SAFE_INTEGER) continue;
      throw new OutOfRangeError(`${elementAt(NUMBER_COLUMNS, column).name} ${number} is out of range`);
    }
  }

  fromSelected(row: SelectedValues): MetricValues {
    for (const { name, field } of COUNTERS_COLUMNS) {
      for (const [text, count] of Object.entries(row[name] as Record<string, number>)) {
        this.#sum.add(this.codes.of(text, field === 'status'), count);
      }
    }
    return {
      writes: row.writes,
      numbers: NUMBER_COLUMNS.map(({ name }) => (row[name] as number | null) ?? -1),
      bins: HISTOGRAM_COLUMNS.map(({ name }) => (row[name] as Buffer).toString('latin1')),
      counters: this.#sum.take(FIRST_COUNTER, Number.POSITIVE_INFINITY),
      extra: row.extra,
    };
  }
}

const EMPTY_NUMBERS = doubles(NUMBER_COLUMNS.map(({ merge }) => EMPTY[merge]));
const NO_BINS = HISTOGRAM_COLUMNS.map(() => '');

/** The same numbers in a list that V8 keeps as doubles, so that it need not convert each copy at the first sum. */
function doubles(numbers: readonly number[]): number[] {
  const list = numbers.map(() => 0.5);
  for (const [index, value] of numbers.entries()) list[index] = value;
  return list;
}

function offsetsOf(wanted: Merge, columns: ReadonlySet<string>): number[] {
  return NUMBER_COLUMNS.flatMap(({ merge, name }, offset) => (merge === wanted && columns.has(name) ? [offset] : []));
}

/** From 2^28 to 2^30: above what rows of earlier versions reach, with room for 2^30 writes. */
export function randomVersion(): number {
  return 2 ** 28 + Math.floor(Math.random() * (2 ** 30 - 2 ** 28));
}

/** Gives each reason and each status a code from FIRST_COUNTER on, and knows their keys in a JSON object. */
export class CounterCodes {
  #ids = new Map<string, number>();
  #keys: Buffer[] = [];

  get size(): number {
    return this.#keys.length;
  }

  of(text: string, isStatus: boolean): number {
    let id = this.#ids.get(text);
    if (id === undefined) {
      id = this.#keys.push(Buffer.from(`${JSON.stringify(text)}:`)) - 1;
      this.#ids.set(text, id);
    }
    return FIRST_COUNTER + 2 * id + (isStatus ? 1 : 0);
  }

  isStatus(code: number): boolean {
    return ((code - FIRST_COUNTER) & 1) === 1;
  }

  /** As JSON text, quotes and colon included. */
  keyOf(code: number): Buffer {
    return elementAt(this.#keys, (code - FIRST_COUNTER) >> 1);
  }

  /** Forgets all codes; those given before are void. */
  clear(): void {
    this.#ids = new Map();
    this.#keys = [];
  }
}
