import { EMPTY_AT_MINUS_ONE, STRIDE } from './layout.ts';
import { doubled, roomFor } from './series-index.ts';

/** The rows of one flush: one per series, granularity and bucket that was touched. */
export class RowTable {
  length = 0;
  #capacity: number;
  level: Int32Array;
  series: Int32Array;
  bucketMs: Float64Array;
  values: Float64Array;
  /** The status a row had first (id + 1) and how often; any other goes to the cell log. */
  status: Int32Array;
  statusCount: Int32Array;
  /** Open addressing by series, level and bucket: row + 1, 0 where free. */
  #table: Int32Array;

  /** It grows as needed; `expected` rows find room at once. */
  constructor(expected = 0) {
    const capacity = roomFor(expected);
    this.#capacity = capacity;
    this.level = new Int32Array(capacity);
    this.series = new Int32Array(capacity);
    this.bucketMs = new Float64Array(capacity);
    this.values = new Float64Array(capacity * STRIDE);
    this.status = new Int32Array(capacity);
    this.statusCount = new Int32Array(capacity);
    this.#table = new Int32Array(4 * capacity);
  }

  /** The row of a bucket; made if there is none, and then the last one. */
  find(series: number, level: number, bucketMs: number): number {
    const table = this.#table;
    const mask = table.length - 1;
    let at = hashOf(series, level, bucketMs) & mask;
    for (let entry = table[at] as number; entry !== 0; entry = table[at] as number) {
      const row = entry - 1;
      if (this.series[row] === series && this.level[row] === level && this.bucketMs[row] === bucketMs) return row;
      at = (at + 1) & mask;
    }
    const row = this.length++;
    if (row === this.#capacity) this.#grow();
    this.level[row] = level;
    this.series[row] = series;
    this.bucketMs[row] = bucketMs;
    for (const offset of EMPTY_AT_MINUS_ONE) this.values[row * STRIDE + offset] = -1;
    this.#table[at] = row + 1;
    if (this.length * 2 > this.#table.length) this.#rehash();
    return row;
  }

  #grow(): void {
    this.#capacity *= 2;
    this.level = doubled(this.level);
    this.series = doubled(this.series);
    this.bucketMs = doubled(this.bucketMs);
    this.values = doubled(this.values);
    this.status = doubled(this.status);
    this.statusCount = doubled(this.statusCount);
  }

  #rehash(): void {
    const table = new Int32Array(this.#table.length * 2);
    const mask = table.length - 1;
    for (let row = 0; row < this.length; row++) {
      let at = hashOf(this.series[row] as number, this.level[row] as number, this.bucketMs[row] as number) & mask;
      while (table[at] !== 0) at = (at + 1) & mask;
      table[at] = row + 1;
    }
    this.#table = table;
  }
}

function hashOf(series: number, level: number, bucketMs: number): number {
  // Buckets are whole seconds; the quotient by 2^32 keeps what ToInt32 would cut off.
  const seconds = bucketMs / 1000;
  const time = (seconds | 0) ^ (seconds / 4294967296);
  const mixed = Math.imul(series, 0x9e3779b1) ^ Math.imul(time, 0x85ebca6b) ^ Math.imul(level, 0xc2b2ae35);
  return mixed ^ (mixed >>> 15);
}
