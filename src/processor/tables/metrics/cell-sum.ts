import { doubled } from '../../../aggregates/accumulator/series-index.ts';
import { PackedNumbers, PackedNumbersWriter } from './packed-numbers.ts';

/**
 * Sums up counts by code (bins of a histogram and the like) and hands them out sorted, packed as text of one byte a
 * character: of each code its distance from the one before and its count, as base-128 numbers like those of
 * aggregates/histogram-bytes.ts. That is the smallest form in which V8 keeps many short pieces of bytes.
 */
export class CellSum {
  #counts: Float64Array = new Float64Array(4096);
  /** A bit for each code that was added. */
  #marks: Int32Array = new Int32Array(4096 / 32);
  /** Only words of #marks from the first on and before the end have bits. */
  #firstWord = Number.POSITIVE_INFINITY;
  #endWord = 0;
  readonly #packed = new PackedNumbersWriter();

  add(code: number, count: number): void {
    while (code >= this.#counts.length) {
      this.#counts = doubled(this.#counts);
      this.#marks = doubled(this.#marks);
    }
    this.#counts[code] = (this.#counts[code] as number) + count;
    const word = code >> 5;
    this.#marks[word] = (this.#marks[word] as number) | (1 << (code & 31));
    if (word < this.#firstWord) this.#firstWord = word;
    if (word >= this.#endWord) this.#endWord = word + 1;
  }

  /** Adds what `take` handed out for the same `from`, which is characters [start, end) of `packed`. */
  addPacked(packed: string, from: number, start = 0, end = packed.length): void {
    for (const cells = new PackedCells(packed, from, start, end); cells.next(); ) this.add(cells.code, cells.count);
  }

  /** Takes out, packed, what was added under codes in [from, to), which must be multiples of 32. */
  take(from: number, to: number): string {
    this.#packed.length = 0;
    this.takeInto(this.#packed, from, to);
    return this.#packed.length === 0 ? '' : this.#packed.text();
  }

  /** The same, written at the end of `packed`. */
  takeInto(packed: PackedNumbersWriter, from: number, to: number): void {
    const end = Math.min(this.#endWord, to / 32);
    let last = from;
    for (let word = Math.max(this.#firstWord, from / 32); word < end; word++) {
      for (let bits = this.#marks[word] as number; bits !== 0; bits &= bits - 1) {
        const code = (word << 5) + 31 - Math.clz32(bits & -bits);
        packed.write(code - last);
        packed.write(this.#counts[code] as number);
        this.#counts[code] = 0;
        last = code;
      }
      this.#marks[word] = 0;
    }
    if (end === this.#endWord) this.#endWord = Math.min(end, from / 32);
    if (from / 32 <= this.#firstWord)
      this.#firstWord = this.#endWord === 0 ? Number.POSITIVE_INFINITY : Math.max(this.#firstWord, end);
  }
}

/** Goes over what CellSum packed. */
export class PackedCells {
  code: number;
  count = 0;
  readonly #numbers: PackedNumbers;
  readonly #end: number;

  constructor(packed: string, from: number, start = 0, end = packed.length) {
    this.#numbers = new PackedNumbers(packed, start);
    this.code = from;
    this.#end = end;
  }

  next(): boolean {
    if (this.#numbers.at >= this.#end) return false;
    this.code += this.#numbers.next();
    this.count = this.#numbers.next();
    return true;
  }
}
