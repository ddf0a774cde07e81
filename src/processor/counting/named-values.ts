import type { ResultColumns } from '../../messages/result-columns.ts';

/** Distinct names of values that are counted by name for one series; a producer may make up any number of them. */
const MAX_NAMED_VALUES = 64;

/** The name under which all others are counted. */
export const OTHER_VALUE = 'other';

/** The named values, as `job_id topic location`, of series that have as many as they may; any other names all of its own. */
export function namedValues(
  counted: ReadonlyArray<{ jobId: number; topic: string; location: string; valueNames: readonly string[] }>,
): Map<string, Set<string>> {
  return new Map(
    counted.flatMap(({ jobId, topic, location, valueNames }) =>
      valueNames.length < MAX_NAMED_VALUES ? [] : [[`${jobId} ${topic} ${location}`, new Set(valueNames)] as const],
    ),
  );
}

/** Which values are named, per series: the first ones that came. */
export class NamedValues {
  /** Rows of the last `name` some of whose values count as another one, with the names of their series. */
  unnamed: Array<{ row: number; named: ReadonlySet<string> }> = [];
  /** By series, as JSON text; none where it is missing. */
  #stored: string[] = [];
  readonly #ofSeries = new Map<number, Set<string>>();
  /** Series that name more than is stored, or whose counting depended on which ones are named. */
  readonly #changed = new Set<number>();

  /** Takes the stored names of a series, as JSON text. */
  load(series: number, stored: string): void {
    this.#stored[series] = stored;
  }

  /** Names the values of rows [from, to) that count, as many as there may be. */
  name(columns: ResultColumns, series: Int32Array, counted: Int32Array, from: number, to: number): void {
    this.unnamed = [];
    if (!columns.hasValues) return;
    for (let row = from; row < to; row++) {
      if (columns.valueCount[row] !== 0 && counted[row] !== 0) this.#nameRow(columns, row, series[row] as number);
    }
  }

  /** Whether no other process may have changed the series meanwhile. */
  hasChanged(series: number): boolean {
    return this.#changed.has(series);
  }

  /** The names of each series as JSON text, null where they are as they were; they are stored from now on. */
  take(order: readonly number[]): Array<string | null> {
    const texts = order.map((series) => {
      if (!this.#changed.has(series)) return null;
      const text = JSON.stringify([...this.#namedOf(series)]);
      this.#stored[series] = text;
      return text;
    });
    this.#changed.clear();
    return texts;
  }

  stored(series: number): string {
    return this.#stored[series] ?? '[]';
  }

  clear(): void {
    this.unnamed = [];
    this.#stored = [];
    this.#ofSeries.clear();
    this.#changed.clear();
  }

  #nameRow(columns: ResultColumns, row: number, series: number): void {
    const named = this.#namedOf(series);
    let isUnnamed = false;
    for (let at = 0; at < (columns.valueCount[row] as number); at++) {
      const name = columns.valueNameAt(row, at);
      if (named.has(name) || name === OTHER_VALUE) continue;
      this.#changed.add(series);
      if (named.size < MAX_NAMED_VALUES) named.add(name);
      else isUnnamed = true;
    }
    if (isUnnamed) this.unnamed.push({ row, named });
  }

  #namedOf(series: number): Set<string> {
    let named = this.#ofSeries.get(series);
    if (!named) {
      named = new Set(JSON.parse(this.stored(series)) as string[]);
      this.#ofSeries.set(series, named);
    }
    return named;
  }
}
