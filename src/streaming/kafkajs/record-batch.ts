import type { StreamRecord } from '../driver.ts';
import type { PackedRecords } from '../partition-book.ts';
import { UnpackMemory } from '../unpack-memory.ts';
import { decompress } from './codecs.ts';

const EMPTY = Buffer.alloc(0);
const HEADER_BYTES = 61;
/** The length of a batch counts what follows it. */
const LENGTH_END = 12;
const MAGIC = 2;
const COMPRESSION = 0x07;
const APPEND_TIME = 0x08;
const IN_TRANSACTION = 0x10;
const IS_CONTROL = 0x20;
const ABORT = 0;

/** A transaction of which nothing counts, as a fetch response names it. */
export interface AbortedTransaction {
  producerId: number;
  firstOffset: number;
}

/**
 * A batch of records as the log has it, which stays compressed until its turn has come. To kafkajs it is one message: the
 * last of the batch.
 */
export class RecordBatch implements PackedRecords {
  /** As kafkajs has it. */
  readonly offset: string;
  readonly lastOffset: number;
  /** Nothing of it is delivered: a mark of a transaction, or part of an aborted one. kafkajs skips it. */
  isControlRecord: boolean;
  readonly producerId: number;
  readonly isInTransaction: boolean;
  readonly #batch: Buffer;
  readonly #attributes: number;

  /** `batch` is all of it, the header included. */
  constructor(batch: Buffer) {
    this.#batch = batch;
    this.#attributes = batch.readInt16BE(21);
    this.lastOffset = int64(batch, 0) + batch.readInt32BE(23);
    this.offset = String(this.lastOffset);
    this.isControlRecord = (this.#attributes & IS_CONTROL) !== 0;
    this.isInTransaction = (this.#attributes & IN_TRANSACTION) !== 0;
    this.producerId = int64(batch, 43);
  }

  get bytes(): number {
    return this.#batch.length;
  }

  /** Whether it says that a transaction was aborted. */
  get isAbort(): boolean {
    return (this.#attributes & IS_CONTROL) !== 0 && this.unpack(new UnpackMemory())[0]?.key?.readInt16BE(2) === ABORT;
  }

  /** Throws when it cannot be decompressed, or is not what its header says. */
  unpack(memory: UnpackMemory): StreamRecord[] {
    const batch = this.#batch;
    const base = int64(batch, 0);
    const firstMs = int64(batch, 27);
    const appendedMs = this.#attributes & APPEND_TIME ? int64(batch, 35) : null;
    const packed = batch.subarray(HEADER_BYTES);
    const reader = new RecordReader(decompress(this.#attributes & COMPRESSION, packed, memory));
    const records: StreamRecord[] = [];
    for (let left = batch.readInt32BE(57); left > 0; left--) records.push(reader.record(base, firstMs, appendedMs));
    return records;
  }
}

/**
 * The batches of a fetched part of a partition; the last may be cut off and is left out. Null when they are in one of the
 * formats before version 2.
 */
export function batchesOf(bytes: Buffer): RecordBatch[] | null {
  const batches: RecordBatch[] = [];
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    if (bytes[at + 16] !== MAGIC) return null;
    const end = at + LENGTH_END + bytes.readInt32BE(at + 8);
    if (end > bytes.length) break;
    batches.push(new RecordBatch(bytes.subarray(at, end)));
    at = end;
  }
  return batches;
}

/** Marks the batches of aborted transactions as such. They come in the order of their offsets. */
export function leaveOutAborted(batches: readonly RecordBatch[], aborted: readonly AbortedTransaction[]): void {
  const toBegin = [...aborted].sort((a, b) => b.firstOffset - a.firstOffset);
  const open = new Set<number>();
  for (const batch of batches) {
    for (let next = toBegin.at(-1); next && next.firstOffset <= batch.lastOffset; next = toBegin.at(-1)) {
      open.add(next.producerId);
      toBegin.pop();
    }
    if (!batch.isInTransaction || !open.has(batch.producerId)) continue;
    if (batch.isAbort) open.delete(batch.producerId);
    else batch.isControlRecord = true;
  }
}

/** Reads records of format 2 one after the other. */
class RecordReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  record(base: number, firstMs: number, appendedMs: number | null): StreamRecord {
    const length = this.#number();
    const end = this.#at + length;
    if (length <= 0 || end > this.#bytes.length) throw new Error(CUT_OFF);
    this.#at++; // Attributes, of which none is defined.
    const timestamp = firstMs + this.#number();
    const offset = base + this.#number();
    const key = this.#field();
    const value = this.#field() ?? EMPTY;
    const headers: Record<string, string> = {};
    for (let left = this.#number(); left > 0; left--) {
      const name = this.#field()?.toString() ?? '';
      headers[name] = this.#field()?.toString() ?? '';
    }
    this.#at = end;
    return { offset, timestamp: appendedMs ?? timestamp, key, value, headers };
  }

  #field(): Buffer | null {
    const length = this.#number();
    if (length < 0) return null;
    const start = this.#at;
    this.#at += length;
    return this.#bytes.subarray(start, this.#at);
  }

  /** Seven bits a byte, the lowest first; the sign is the lowest bit. Exact up to 2^52 either way. */
  #number(): number {
    const bytes = this.#bytes;
    let value = 0;
    for (let unit = 1; ; unit *= 128) {
      if (this.#at >= bytes.length) throw new Error(CUT_OFF);
      const byte = bytes[this.#at++] as number;
      if (byte < 128) {
        value += byte * unit;
        return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      }
      if (!(unit < 2 ** 63)) throw new Error('A batch of records has a number that is too long');
      value += (byte - 128) * unit;
    }
  }
}

const CUT_OFF = 'A batch of records ends within a record';

function int64(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4);
}
