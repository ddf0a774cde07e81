import type { MetricDeltas } from '../../../aggregates/accumulator/deltas.ts';
import type { RowExtras } from '../../../aggregates/accumulator/extra-states.ts';
import { REASON_CODE, STATUS_CODE, STRIDE } from '../../../aggregates/accumulator/layout.ts';
import type { Merge, StoredValue } from '../../../aggregates/aggregate.ts';
import { COLUMNS, COUNTERS_COLUMNS, HISTOGRAM_COLUMNS, NUMBER_COLUMNS } from '../../../aggregates/columns.ts';
import { BINS } from '../../../aggregates/histogram.ts';
import { EMPTY } from '../../../aggregates/number-aggregate.ts';
import { elementAt } from '../../../core/element-at.ts';
import { REASONS } from '../../../messages/check-result.ts';
import { OutOfRangeError } from '../../../postgres/database.ts';
import { CellSum } from './cell-sum.ts';
import { PackedNumbers, PackedNumbersWriter } from './packed-numbers.ts';

/** All columns of a row of `metrics` but its key, as they are merged. */
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

/**
 * The same as one text, which is the smallest form in which V8 keeps very many of them: bins, counters, `extra` unless it is
 * `{}`, then as base-128 numbers `writes`, each number + 1, and the lengths of bins and counters; last the length of these.
 */
export type PackedValues = string;

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

/** Makes the new values of rows from their old ones and deltas, one after the other: begin, add (as often as needed), end. */
export class MetricMerger {
  readonly codes = new CounterCodes();
  /** Of the row that was begun last. */
  readonly values: MetricValues = {
    writes: 0,
    numbers: EMPTY_NUMBERS.slice(),
    bins: [...NO_BINS],
    counters: '',
    extra: '{}',
  };
  readonly #sum = new CellSum();
  /** Of the row that was packed last: where its bins and counters end. */
  readonly #ends = new Int32Array(PARTS);
  readonly #bytes = new PackedNumbersWriter();
  readonly #firstVersion: () => number;
  #reasonCodes = new Int32Array(0);
  /** Whether nothing was ever added to the row that was begun last. */
  #isEmpty = true;

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
    return { deltas, statusCodes, kept };
  }

  /** Begins with `base` (an empty row when there is none) and the next version. */
  begin(base: PackedValues | undefined): void {
    this.#sum.take(0, Number.POSITIVE_INFINITY); // Left by a row that could not be ended.
    const { values } = this;
    const { numbers } = values;
    this.#isEmpty = base === undefined;
    if (base === undefined) {
      values.writes = this.#firstVersion();
      for (let index = 0; index < numbers.length; index++) numbers[index] = EMPTY_NUMBERS[index] as number;
      values.extra = '{}';
      return;
    }
    const headerAt = base.length - 1 - base.charCodeAt(base.length - 1);
    const header = new PackedNumbers(base, headerAt);
    values.writes = header.next() + 1;
    for (let index = 0; index < numbers.length; index++) numbers[index] = header.next() - 1;
    let at = 0;
    for (let part = 0; part < PARTS; part++) {
      const end = at + header.next();
      this.#sum.addPacked(base, part * BINS, at, end);
      at = end;
    }
    values.extra = at < headerAt ? base.slice(at, headerAt) : '{}';
  }

  add({ deltas, statusCodes, kept }: PreparedDeltas, row: number): void {
    const { values } = this;
    const { level, values: added, cellStart, cellEnd, cellCode, cellCount } = deltas.arrays;
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
    values.extra = this.#withExtras(deltas.arrays.extras[row], level[row] as number);
    this.#isEmpty = false;
  }

  /**
   * JSON text of what aggregates without a column have of the row with what is added. A metric of some jobs only stays out
   * once the row has results that were not counted for it; a row that has it says so even when there is no value yet.
   */
  #withExtras(added: RowExtras | undefined, level: number): string {
    const { extra } = this.values;
    const kept = added === undefined ? [] : elementAt(added.selection.levels, level);
    if (kept.length === 0) return '{}';
    const before = JSON.parse(extra) as Record<string, StoredValue>;
    const after: Record<string, StoredValue> = {};
    for (const { metric, index, isOfAll } of kept) {
      const { key, aggregate } = metric;
      const isThere = Object.hasOwn(before, key);
      if (!isThere && !isOfAll && !this.#isEmpty) continue;
      const stored = aggregate.fromStored(isThere ? (before[key] ?? null) : null);
      const merged = aggregate.toStored(aggregate.merge(stored, added?.states[index]));
      if (merged !== null || !isOfAll) after[key] = merged;
    }
    return JSON.stringify(after);
  }

  /** Completes `values` and returns them packed. Throws OutOfRangeError when a number cannot be held exactly any more. */
  end(): PackedValues {
    const { values } = this;
    const { numbers } = values;
    for (let column = 0; column < numbers.length; column++) {
      const number = numbers[column] as number;
      if (number <= Number.MAX_SAFE_INTEGER) continue;
      throw new OutOfRangeError(`${elementAt(NUMBER_COLUMNS, column).name} ${number} is out of range`);
    }
    const packed = this.#pack(values);
    let at = 0;
    for (let index = 0; index < NO_BINS.length; index++) {
      const end = this.#ends[index] as number;
      values.bins[index] = packed.slice(at, end);
      at = end;
    }
    values.counters = packed.slice(at, this.#ends[NO_BINS.length]);
    return packed;
  }

  fromSelected(row: SelectedValues): PackedValues {
    this.#sum.take(0, Number.POSITIVE_INFINITY);
    for (const { name, field } of COUNTERS_COLUMNS) {
      for (const [text, count] of Object.entries(row[name] as Record<string, number>)) {
        this.#sum.add(this.codes.of(text, field === 'status'), count);
      }
    }
    for (const [index, { name }] of HISTOGRAM_COLUMNS.entries())
      this.#sum.addPacked((row[name] as Buffer).toString('latin1'), index * BINS);
    const numbers = NUMBER_COLUMNS.map(({ name }) => (row[name] as number | null) ?? -1);
    return this.#pack({ writes: row.writes, numbers, extra: row.extra });
  }

  /** With everything that was added to #sum. */
  #pack({ writes, numbers, extra }: Pick<MetricValues, 'writes' | 'numbers' | 'extra'>): PackedValues {
    const bytes = this.#bytes;
    bytes.length = 0;
    for (let part = 0; part < PARTS; part++) {
      this.#sum.takeInto(bytes, part * BINS, part < NO_BINS.length ? (part + 1) * BINS : Number.POSITIVE_INFINITY);
      this.#ends[part] = bytes.length;
    }
    const headerAt = bytes.length;
    bytes.write(writes);
    for (let index = 0; index < numbers.length; index++) bytes.write((numbers[index] as number) + 1);
    let at = 0;
    for (let part = 0; part < PARTS; part++) {
      bytes.write((this.#ends[part] as number) - at);
      at = this.#ends[part] as number;
    }
    const length = bytes.length - headerAt;
    if (length > 127) throw new RangeError(`${length} bytes do not fit the length of a header`);
    bytes.write(length);
    return extra === '{}' ? bytes.text() : bytes.text(0, headerAt) + extra + bytes.text(headerAt);
  }
}

const EMPTY_NUMBERS = doubles(NUMBER_COLUMNS.map(({ merge }) => EMPTY[merge]));
const NO_BINS = HISTOGRAM_COLUMNS.map(() => '');
/** Bins and counters, of which part n has the codes from n * BINS on. */
const PARTS = NO_BINS.length + 1;

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
