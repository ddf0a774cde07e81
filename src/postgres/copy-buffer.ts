/** Rows for `COPY ... FROM STDIN (FORMAT binary)`, built straight into bytes and handed out in chunks. */
export class CopyBuffer {
  // Memory of its own, never a part of Node's pool: that may be as long as a chunk, and would be taken for one.
  #bytes = Buffer.allocUnsafeSlow(FIRST_CHUNK_BYTES);
  #at = 0;

  constructor() {
    SIGNATURE.copy(this.#bytes);
    this.#at = SIGNATURE.length;
  }

  /** Begins a row. Returns a full chunk when there is one; it must be sent before the row's bytes. */
  row(fields: number): Buffer | null {
    let full: Buffer | null = null;
    if (this.#at > this.#bytes.length - ROW_ROOM) {
      full = this.#bytes.subarray(0, this.#at);
      this.#bytes = spare.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);
      this.#at = 0;
    }
    this.#int16(fields);
    return full;
  }

  /** The last chunk. */
  end(): Buffer {
    this.#int16(-1);
    return this.#bytes.subarray(0, this.#at);
  }

  null(): void {
    this.#int32(-1);
  }

  int4(value: number): void {
    this.#int32(4);
    this.#int32(value);
  }

  boolean(value: boolean): void {
    this.#int32(1);
    this.#bytes[this.#at++] = value ? 1 : 0;
  }

  /** A whole number, exact up to 2^53 either way. */
  int8(value: number | null): void {
    if (value === null) {
      this.null();
      return;
    }
    this.#int32(8);
    const high = Math.floor(value / 4294967296);
    this.#int32(high);
    this.#int32(value - high * 4294967296);
  }

  /** A timestamptz, from ms since the epoch. */
  timestamp(ms: number): void {
    this.int8((ms - POSTGRES_EPOCH_MS) * 1000);
  }

  /** Any text; `bytes` is faster for one that comes often. */
  text(value: string | null): void {
    if (value === null) this.null();
    else this.bytes(Buffer.from(value));
  }

  /** JSONB, from JSON text. */
  json(value: string): void {
    if (value === '{}') this.bytes(EMPTY_OBJECT);
    else this.bytes(Buffer.from(`\u0001${value}`));
  }

  /** A value whose bytes are known: text, or JSONB with its version before it. */
  bytes(value: Buffer): void {
    this.#int32(value.length);
    this.#room(value.length);
    value.copy(this.#bytes, this.#at);
    this.#at += value.length;
  }

  /** A value of bytes, one a character. */
  latin1(value: string): void {
    this.#int32(value.length);
    this.#room(value.length);
    this.#at += this.#bytes.write(value, this.#at, 'latin1');
  }

  /** Begins a JSONB object; the returned position is the argument of endObject. */
  beginObject(): number {
    const start = this.#at;
    this.#int32(0);
    this.#bytes[this.#at++] = 1;
    this.#bytes[this.#at++] = OPEN_BRACE;
    return start;
  }

  /** A key whose JSON text, quotes and colon included, is `key`, and its count. */
  counter(key: Buffer, count: number): void {
    this.#room(key.length + NUMBER_ROOM);
    for (let byte = 0; byte < key.length; byte++) this.#bytes[this.#at++] = key[byte] as number;
    this.#digits(count);
    this.#bytes[this.#at++] = COMMA;
  }

  endObject(start: number): void {
    this.#room(1);
    if (this.#bytes[this.#at - 1] === COMMA) this.#at--;
    this.#bytes[this.#at++] = CLOSE_BRACE;
    this.#bytes.writeInt32BE(this.#at - start - 4, start);
  }

  #digits(value: number): void {
    if (value < 10) {
      this.#bytes[this.#at++] = ZERO + value;
    } else if (value < 1e9) {
      let length = 2;
      for (let limit = 100; value >= limit; limit *= 10) length++;
      let rest = value | 0;
      for (let at = this.#at + length - 1; at >= this.#at; at--) {
        const tenth = (rest / 10) | 0;
        this.#bytes[at] = ZERO + rest - tenth * 10;
        rest = tenth;
      }
      this.#at += length;
    } else {
      this.#at += this.#bytes.write(String(value), this.#at, 'latin1');
    }
  }

  #int16(value: number): void {
    this.#bytes[this.#at++] = value >> 8;
    this.#bytes[this.#at++] = value;
  }

  #int32(value: number): void {
    this.#room(8);
    const bytes = this.#bytes;
    const at = this.#at;
    bytes[at] = value >>> 24;
    bytes[at + 1] = value >>> 16;
    bytes[at + 2] = value >>> 8;
    bytes[at + 3] = value;
    this.#at = at + 4;
  }

  /** A row of many counters may be longer than a chunk. */
  #room(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return;
    const longer = Buffer.allocUnsafeSlow(2 * (this.#bytes.length + bytes));
    this.#bytes.copy(longer, 0, 0, this.#at);
    this.#bytes = longer;
  }
}

/**
 * Takes back the memory of chunks, for others: nobody may need their bytes any more. Memory that is made for each chunk lies
 * about until V8 has counted 64 MB of it.
 */
export function reuseChunks(chunks: readonly Buffer[]): void {
  for (const { buffer } of chunks) {
    if (spare.length >= MAX_SPARE) return;
    if (buffer.byteLength === CHUNK_BYTES) spare.push(Buffer.from(buffer as ArrayBuffer));
  }
}

const spare: Buffer<ArrayBuffer>[] = [];

/** Joins the chunks of several buffers, each with its own first and last chunk, to those of one COPY. */
export function joinCopies(copies: ReadonlyArray<readonly Buffer[]>): Buffer[] {
  const joined: Buffer[] = [];
  for (const chunks of copies) {
    for (const [index, chunk] of chunks.entries()) {
      const from = index === 0 && joined.length > 0 ? SIGNATURE.length : 0;
      joined.push(chunk.subarray(from, index === chunks.length - 1 ? chunk.length - END.length : chunk.length));
    }
  }
  if (joined.length > 0) joined.push(END);
  return joined;
}

/** Most flushes of a quiet system need no more. */
const FIRST_CHUNK_BYTES = 16_384;
/** Building one must be short: what is sent has no other pauses. */
const CHUNK_BYTES = 65_536;
/** As much as a processor holds of raw results. */
const MAX_SPARE = 128;
const ROW_ROOM = 1024;
const NUMBER_ROOM = 24;
const SIGNATURE = Buffer.concat([Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'), Buffer.alloc(8)]);
/** In place of the number of fields of a row. */
const END = Buffer.from([0xff, 0xff]);
/** 2000-01-01, from which PostgreSQL counts microseconds. */
const POSTGRES_EPOCH_MS = 946_684_800_000;
/** JSONB begins with its version. */
const EMPTY_OBJECT = Buffer.from('\u0001{}');
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const COMMA = 0x2c;
const ZERO = 0x30;
