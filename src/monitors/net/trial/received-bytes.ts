const FIRST_ROOM = 1_024;

/** Bytes that were received and not read yet, at most `maxBytes`; after one that does not fit, all are dropped. */
export class ReceivedBytes {
  readonly #maxBytes: number;
  #room = Buffer.alloc(0);
  #length = 0;
  #isCut = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get length(): number {
    return this.#length;
  }

  /** Whether nothing more is taken. */
  get isFull(): boolean {
    return this.#isCut || this.#length >= this.#maxBytes;
  }

  /** Valid until the next change. */
  get view(): Buffer {
    return this.#room.subarray(0, this.#length);
  }

  add(chunk: Buffer): void {
    // Bytes after a gap would be taken for what they are not.
    if (this.#isCut) return;
    const taken = Math.min(chunk.length, this.#maxBytes - this.#length);
    this.#isCut = taken < chunk.length;
    const needed = this.#length + taken;
    if (needed > this.#room.length) {
      const grown = Buffer.alloc(Math.min(this.#maxBytes, Math.max(FIRST_ROOM, needed, 2 * this.#room.length)));
      this.#room.copy(grown, 0, 0, this.#length);
      this.#room = grown;
    }
    chunk.copy(this.#room, this.#length, 0, taken);
    this.#length = needed;
  }

  /** Forgets everything, and takes bytes again. */
  clear(): void {
    this.#length = 0;
    this.#isCut = false;
  }

  /** Forgets the first `count` bytes. */
  drop(count: number): void {
    this.#room.copyWithin(0, count, this.#length);
    this.#length -= Math.min(count, this.#length);
  }
}
