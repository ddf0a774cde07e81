/**
 * Whole numbers of at least 0 as text of one byte a character: base 128, low digits first, the top bit set in all bytes of a
 * number but its last.
 */
export class PackedNumbersWriter {
  #bytes = Buffer.allocUnsafe(4096);
  /** Bytes written. */
  length = 0;

  write(value: number): void {
    if (this.length + NUMBER_BYTES > this.#bytes.length) this.#grow();
    const bytes = this.#bytes;
    let at = this.length;
    let rest = value;
    for (; rest > 127; rest = Math.floor(rest / 128)) bytes[at++] = 128 + (rest % 128);
    bytes[at++] = rest;
    this.length = at;
  }

  text(start = 0, end = this.length): string {
    return this.#bytes.toString('latin1', start, end);
  }

  #grow(): void {
    const longer = Buffer.allocUnsafe(2 * this.#bytes.length);
    this.#bytes.copy(longer);
    this.#bytes = longer;
  }
}

/** 2^53 has 54 bits. */
const NUMBER_BYTES = 8;

export class PackedNumbers {
  /** Where the next number begins. */
  at: number;
  readonly #packed: string;

  constructor(packed: string, at = 0) {
    this.#packed = packed;
    this.at = at;
  }

  next(): number {
    const packed = this.#packed;
    let byte = packed.charCodeAt(this.at++);
    if (byte < 128) return byte;
    let value = byte - 128;
    for (let unit = 128; ; unit *= 128) {
      byte = packed.charCodeAt(this.at++);
      if (byte < 128) return value + byte * unit;
      value += (byte - 128) * unit;
    }
  }
}
