import { doubled } from '../../../aggregates/accumulator/series-index.ts';

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
  #bytes = Buffer.allocUnsafe(4096);

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

  /** Adds what `take` handed out for the same `from`. */
  addPacked(packed: string, from: number): void {
    for (const cells = new PackedCells(packed, from); cells.next(); ) this.add(cells.code, cells.count);
  }

  /** Takes out, packed, what was added under codes in [from, to), which must be multiples of 32. */
  take(from: number, to: number): string {
    const end = Math.min(this.#endWord, to / 32);
    let last = from;
    let at = 0;
    for (let word = Math.max(this.#firstWord, from / 32); word < end; word++) {
      for (let bits = this.#marks[word] as number; bits !== 0; bits &= bits - 1) {
        const code = (word << 5) + 31 - Math.clz32(bits & -bits);
        if (at + 2 * NUMBER_BYTES > this.#bytes.length) this.#grow();
        at = write(this.#bytes, at, code - last);
        at = write(this.#bytes, at, this.#counts[code] as number);
        this.#counts[code] = 0;
        last = code;
      }
      this.#marks[word] = 0;
    }
    if (end === this.#endWord) this.#endWord = Math.min(end, from / 32);
    if (from / 32 <= this.#firstWord)
      this.#firstWord = this.#endWord === 0 ? Number.POSITIVE_INFINITY : Math.max(this.#firstWord, end);
    return at === 0 ? '' : this.#bytes.toString('latin1', 0, at);
  }

  #grow(): void {
    const longer = Buffer.allocUnsafe(2 * this.#bytes.length);
    this.#bytes.copy(longer);
    this.#bytes = longer;
  }
}

/** Writes a number at `at`; returns where it ends. */
function write(bytes: Buffer, at: number, value: number): number {
  let end = at;
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes[end++] = 128 + (rest % 128);
  bytes[end++] = rest;
  return end;
}

/** 2^53 has 54 bits. */
const NUMBER_BYTES = 8;

/** Goes over what CellSum packed. */
export class PackedCells {
  code: number;
  count = 0;
  readonly #packed: string;
  #at = 0;

  constructor(packed: string, from: number) {
    this.#packed = packed;
    this.code = from;
  }

  next(): boolean {
    if (this.#at >= this.#packed.length) return false;
    this.code += this.#read();
    this.count = this.#read();
    return true;
  }

  #read(): number {
    const packed = this.#packed;
    let byte = packed.charCodeAt(this.#at++);
    if (byte < 128) return byte;
    let value = byte - 128;
    for (let unit = 128; ; unit *= 128) {
      byte = packed.charCodeAt(this.#at++);
      if (byte < 128) return value + byte * unit;
      value += (byte - 128) * unit;
    }
  }
}
