import { CellSum } from '../../../aggregates/cell-sum.ts';
import { BINS } from '../../../aggregates/histogram.ts';
import {
  extrasOf,
  type MetricDeltas,
  REASON_CODE,
  RT_COUNT,
  RT_MAX,
  RT_MIN,
  RT_SUM,
  STATUS_CODE,
  STRIDE,
} from '../../../aggregates/metric-deltas.ts';
import type { GranularityPlan, OptionalColumn } from '../../../aggregates/metrics-plan.ts';
import { REASONS } from '../../../messages/check-result.ts';
import { OutOfRangeError } from '../../../postgres/database.ts';

/** All columns of a row of `metrics` but its key, whole, and as compact as very many of them need to be. */
export interface MetricValues {
  /** Version of the row: raised by each write. */
  writes: number;
  up: number;
  degraded: number;
  down: number;
  missed: number;
  rtCount: number;
  /** -1: there is none. */
  rtMin: number;
  rtMax: number;
  rtSum: number;
  /** The bytes of rt_hist, one a character. */
  bins: string;
  /** Reasons and statuses by their codes from BINS on, as CellSum packs them. */
  counters: string;
  /** JSON text. */
  extra: string;
}

/** What a SELECT of SELECTED_COLUMNS answers. */
export interface SelectedValues {
  writes: number;
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
  rt_hist: Buffer;
  extra: string;
}

export const SELECTED_COLUMNS =
  'writes, up, degraded, down, missed, rt_count, rt_min, rt_max, rt_sum, data, reasons, rt_hist, extra::text AS extra';

/** Deltas, and what adding rows of them takes. */
export interface PreparedDeltas {
  readonly deltas: MetricDeltas;
  /** By status number of the deltas. */
  readonly statusCodes: readonly number[];
  readonly extras: GranularityPlan['extras'];
  /** By level: which columns are kept. */
  readonly kept: ReadonlyArray<Record<OptionalColumn, boolean>>;
}

/** Makes the new values of rows from the ones they had and what is to be added: begin, add (as often as needed), end. */
export class MetricMerger {
  readonly codes = new CounterCodes();
  readonly #sum = new CellSum();
  readonly #firstVersion: () => number;
  #reasonCodes: readonly number[] = [];

  /**
   * `firstVersion` gives the version of a new row. Versions begin at random, so that a row that was removed and made again
   * is not taken for the one that a process remembers.
   */
  constructor(firstVersion: () => number = randomVersion) {
    this.#firstVersion = firstVersion;
  }

  prepare(deltas: MetricDeltas): PreparedDeltas {
    const { statuses, plans } = deltas.arrays;
    const statusCodes = statuses.map((status) => this.codes.of(status, true));
    this.#reasonCodes = REASONS.map((reason) => this.codes.of(reason, false));
    const kept = plans.map(({ columns }) => ({
      ...{ rt_count: columns.has('rt_count'), rt_min: columns.has('rt_min'), rt_max: columns.has('rt_max') },
      ...{ rt_sum: columns.has('rt_sum'), rt_hist: columns.has('rt_hist') },
      ...{ data: columns.has('data'), reasons: columns.has('reasons') },
    }));
    return { deltas, statusCodes, extras: extrasOf(plans), kept };
  }

  /** A copy of `base` (an empty row when there is none) with the next version. */
  begin(base: MetricValues | undefined): MetricValues {
    this.#sum.take(0, Number.POSITIVE_INFINITY); // What a row that could not be ended has left.
    if (!base) return copyOf(EMPTY, this.#firstVersion());
    this.#sum.addPacked(base.bins, 0);
    this.#sum.addPacked(base.counters, BINS);
    return copyOf(base, base.writes + 1);
  }

  add(values: MetricValues, { deltas, statusCodes, extras, kept }: PreparedDeltas, row: number): void {
    const { plans, level, values: numbers, cellStart, cellEnd, cellCode, cellCount } = deltas.arrays;
    const keeps = kept[level[row]];
    const at = row * STRIDE;
    values.up += numbers[at];
    values.degraded += numbers[at + 1];
    values.down += numbers[at + 2];
    values.missed += numbers[at + 3];
    if (numbers[at + RT_COUNT] > 0) {
      const least = numbers[at + RT_MIN];
      const greatest = numbers[at + RT_MAX];
      if (keeps.rt_count) values.rtCount += numbers[at + RT_COUNT];
      if (keeps.rt_min && (values.rtMin < 0 || least < values.rtMin)) values.rtMin = least;
      if (keeps.rt_max && greatest > values.rtMax) values.rtMax = greatest;
      if (keeps.rt_sum) values.rtSum += numbers[at + RT_SUM];
    }
    for (let cell = cellStart[row]; cell < cellEnd[row]; cell++) {
      const code = cellCode[cell];
      if (code < REASON_CODE) {
        if (keeps.rt_hist) this.#sum.add(code, cellCount[cell]);
      } else if (code < STATUS_CODE) {
        if (keeps.reasons) this.#sum.add(this.#reasonCodes[code - REASON_CODE], cellCount[cell]);
      } else if (keeps.data) {
        this.#sum.add(statusCodes[code - STATUS_CODE], cellCount[cell]);
      }
    }
    const wanted = plans[level[row]].extras;
    if (wanted.length === 0) return;
    const extra = JSON.parse(values.extra) as Record<string, number | Record<string, number>>;
    for (const { key } of wanted) {
      const index = extras.findIndex((one) => one.key === key);
      const { aggregate } = extras[index];
      const stored = aggregate.fromStored(Object.hasOwn(extra, key) ? extra[key] : null);
      const merged = aggregate.toStored(aggregate.merge(stored, deltas.arrays.extras[row][index]));
      if (merged !== null) extra[key] = merged;
    }
    values.extra = JSON.stringify(extra);
  }

  /** Throws OutOfRangeError when a number cannot be held exactly any more. */
  end(values: MetricValues): void {
    values.bins = this.#sum.take(0, BINS);
    values.counters = this.#sum.take(BINS, Number.POSITIVE_INFINITY);
    if (!Number.isSafeInteger(values.rtSum)) throw new OutOfRangeError(`rt_sum ${values.rtSum} is out of range`);
  }

  fromSelected(row: SelectedValues): MetricValues {
    const { writes, up, degraded, down, missed, rt_count, rt_min, rt_max, rt_sum, extra } = row;
    for (const [reason, count] of Object.entries(row.reasons)) this.#sum.add(this.codes.of(reason, false), count);
    for (const [status, count] of Object.entries(row.data)) this.#sum.add(this.codes.of(status, true), count);
    return {
      ...{ writes, up, degraded, down, missed },
      ...{ rtCount: rt_count, rtMin: rt_min ?? -1, rtMax: rt_max ?? -1, rtSum: rt_sum },
      bins: row.rt_hist.toString('latin1'),
      counters: this.#sum.take(BINS, Number.POSITIVE_INFINITY),
      extra,
    };
  }
}

const EMPTY: MetricValues = {
  ...{ writes: 0, up: 0, degraded: 0, down: 0, missed: 0, rtCount: 0, rtMin: -1, rtMax: -1, rtSum: 0 },
  ...{ bins: '', counters: '', extra: '{}' },
};

/** From 2^28 to 2^30: above what rows of earlier versions reach, with room for 2^30 writes. */
export function randomVersion(): number {
  return 2 ** 28 + Math.floor(Math.random() * (2 ** 30 - 2 ** 28));
}

/** Written out: a spread costs several times as much. */
function copyOf(values: MetricValues, writes: number): MetricValues {
  return {
    writes,
    up: values.up,
    degraded: values.degraded,
    down: values.down,
    missed: values.missed,
    rtCount: values.rtCount,
    rtMin: values.rtMin,
    rtMax: values.rtMax,
    rtSum: values.rtSum,
    bins: values.bins,
    counters: values.counters,
    extra: values.extra,
  };
}

/** Gives each reason and each status a code from BINS on, and knows their keys in a JSON object. */
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
    return BINS + 2 * id + (isStatus ? 1 : 0);
  }

  isStatus(code: number): boolean {
    return ((code - BINS) & 1) === 1;
  }

  /** As JSON text, quotes and colon included. */
  keyOf(code: number): Buffer {
    return this.#keys[(code - BINS) >> 1];
  }

  /** Starts anew: all codes are void. */
  clear(): void {
    this.#ids = new Map();
    this.#keys = [];
  }
}
