/** Memory into which packed records are unpacked, some behind the others, and which is used again after `clear`. */
export class UnpackMemory {
  bytes = Buffer.alloc(0);
  view = new DataView(this.bytes.buffer, 0, 0);
  /** What was taken ends here. */
  taken = 0;

  /** Makes room up to `end`, keeping what lies between `taken` and `to` where it is; what was taken stays in older memory. */
  grow(to: number, end: number): void {
    const longer = Buffer.allocUnsafeSlow(Math.ceil(Math.max(end, 1.5 * this.bytes.length) / PAGE_BYTES) * PAGE_BYTES);
    this.bytes.copy(longer, this.taken, this.taken, to);
    this.bytes = longer;
    this.view = new DataView(longer.buffer, longer.byteOffset, longer.length);
  }

  /** Everything up to `to` that was not taken yet. */
  take(to: number): Buffer {
    const { taken } = this;
    this.taken = to;
    return this.bytes.subarray(taken, to);
  }

  /** Nobody needs what was taken any more. */
  clear(): void {
    this.taken = 0;
    if (this.bytes.length <= MOST_BYTES) return;
    this.bytes = Buffer.alloc(0);
    this.view = new DataView(this.bytes.buffer, 0, 0);
  }
}

const PAGE_BYTES = 65_536;
/** So much is kept for the next time. */
const MOST_BYTES = 8 * 2 ** 20;
