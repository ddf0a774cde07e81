import { CellTable, groupBy } from './cell-table.ts';
import { doubled } from './series-index.ts';

/**
 * Counts per row and key (a bin of the histogram, a status, a reason), as a log: adding is two writes at its
 * end. It is summed up when it is read, and on the way whenever it has become long.
 */
export class CellLog {
  #length = 0;
  #rows = new Int32Array(256);
  #codes = new Int32Array(256);
  /** Entries that count more than once, or not just one. */
  #heavyLength = 0;
  #heavyRows = new Int32Array(64);
  #heavyCodes = new Int32Array(64);
  #heavyCounts = new Float64Array(64);
  #compactAt = MIN_COMPACT;

  add(row: number, code: number): void {
    if (this.#length === this.#rows.length) this.#makeRoom();
    this.#rows[this.#length] = row;
    this.#codes[this.#length++] = code;
  }

  addMany(row: number, code: number, count: number): void {
    if (this.#heavyLength === this.#heavyRows.length) {
      this.#heavyRows = doubled(this.#heavyRows);
      this.#heavyCodes = doubled(this.#heavyCodes);
      this.#heavyCounts = doubled(this.#heavyCounts);
    }
    this.#heavyRows[this.#heavyLength] = row;
    this.#heavyCodes[this.#heavyLength] = code;
    this.#heavyCounts[this.#heavyLength++] = count;
  }

  clear(): void {
    this.#length = 0;
    this.#heavyLength = 0;
    this.#compactAt = MIN_COMPACT;
  }

  /** Closes rows 0 to `rows` - 1 of `cells`; `addFirst` may add to a row what is not in this log. */
  sumUp(rows: number, cells: CellTable, addFirst?: (row: number) => void): void {
    const light = groupBy(this.#rows, this.#codes, this.#length, rows);
    const heavy = groupBy(this.#heavyRows, Int32Array.from(this.#heavyRows.keys()), this.#heavyLength, rows);
    for (let row = 0; row < rows; row++) {
      addFirst?.(row);
      for (let at = light.start[row] as number; at < (light.start[row + 1] as number); at++)
        cells.add(light.members[at] as number, 1);
      for (let at = heavy.start[row] as number; at < (heavy.start[row + 1] as number); at++) {
        const entry = heavy.members[at] as number;
        cells.add(this.#heavyCodes[entry] as number, this.#heavyCounts[entry] as number);
      }
      cells.close(row);
    }
  }

  #makeRoom(): void {
    if (this.#rows.length >= this.#compactAt) {
      this.#compact();
      return;
    }
    this.#rows = doubled(this.#rows);
    this.#codes = doubled(this.#codes);
  }

  /** Many results of few rows take the room of their distinct keys only, however long a flush has to wait. */
  #compact(): void {
    const rows = 1 + Math.max(greatest(this.#rows, this.#length), greatest(this.#heavyRows, this.#heavyLength));
    const cells = new CellTable(rows);
    this.sumUp(rows, cells);
    this.clear();
    for (let row = 0; row < rows; row++) {
      for (let cell = cells.start[row] as number; cell < (cells.end[row] as number); cell++)
        this.addMany(row, cells.code[cell] as number, cells.count[cell] as number);
    }
    // Where there is little to sum up, the log may grow, so that this stays rare.
    this.#compactAt = Math.max(MIN_COMPACT, 4 * this.#heavyLength);
  }
}

const MIN_COMPACT = 1 << 20;

function greatest(numbers: Int32Array, length: number): number {
  let most = -1;
  for (let at = 0; at < length; at++) {
    const number = numbers[at] as number;
    if (number > most) most = number;
  }
  return most;
}
