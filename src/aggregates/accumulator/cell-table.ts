import { doubled, roomFor } from './series-index.ts';

/** Counts by code of the row being summed up; all 0 in between. One for all tables, of which only one is being filled. */
let sums: Float64Array = new Float64Array(4096);

/** How often each key of each row was counted, sparse: the cells of row n are start[n] to end[n] of code and count. */
export class CellTable {
  readonly start: Int32Array;
  readonly end: Int32Array;
  code: Int32Array;
  count: Float64Array;
  length = 0;
  #touched: Int32Array = new Int32Array(64);
  #touchedLength = 0;

  constructor(rows: number) {
    this.start = new Int32Array(rows);
    this.end = new Int32Array(rows);
    const room = roomFor(2 * rows);
    this.code = new Int32Array(room);
    this.count = new Float64Array(room);
  }

  /** Adds to the row that is closed next. */
  add(code: number, count: number): void {
    if (code >= sums.length) sums = withRoomFor(sums, code);
    const before = sums[code] as number;
    if (before === 0) {
      if (this.#touchedLength === this.#touched.length) this.#touched = doubled(this.#touched);
      this.#touched[this.#touchedLength++] = code;
    }
    sums[code] = before + count;
  }

  /** Adds all cells of a closed row to the one that is closed next. */
  addRow(row: number): void {
    for (let cell = this.start[row] as number; cell < (this.end[row] as number); cell++)
      this.add(this.code[cell] as number, this.count[cell] as number);
  }

  /** Makes everything added since the last time the cells of `row`. */
  close(row: number): void {
    const length = this.#touchedLength;
    let at = this.length;
    while (at + length > this.code.length) {
      this.code = doubled(this.code);
      this.count = doubled(this.count);
    }
    this.start[row] = at;
    for (let index = 0; index < length; index++, at++) {
      const code = this.#touched[index] as number;
      this.code[at] = code;
      this.count[at] = sums[code] as number;
      sums[code] = 0;
    }
    this.end[row] = at;
    this.length = at;
    this.#touchedLength = 0;
  }
}

function withRoomFor(short: Float64Array, code: number): Float64Array {
  let longer = short;
  while (code >= longer.length) longer = doubled(longer);
  return longer;
}

/** Entries sorted by group, in their order within each: group n has members[start[n]] to members[start[n + 1]]. */
export interface Groups {
  start: Int32Array;
  members: Int32Array;
}

/** Groups the first `length` entries of `payload` by those of `groupOf`, which are below `groups`. */
export function groupBy(groupOf: Int32Array, payload: Int32Array, length: number, groups: number): Groups {
  const start = new Int32Array(groups + 1);
  for (let entry = 0; entry < length; entry++) {
    const group = groupOf[entry] as number;
    start[group] = (start[group] as number) + 1;
  }
  let total = 0;
  for (let group = 0; group <= groups; group++) {
    total += start[group] as number;
    start[group] = total;
  }
  // Filled from behind, each start moves down to where it belongs.
  const members = new Int32Array(length);
  for (let entry = length - 1; entry >= 0; entry--) {
    const group = groupOf[entry] as number;
    const at = (start[group] as number) - 1;
    start[group] = at;
    members[at] = payload[entry] as number;
  }
  return { start, members };
}
