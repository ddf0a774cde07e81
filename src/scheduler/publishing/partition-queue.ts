import { elementAt } from '../../core/element-at.ts';
import type { CheckResult } from '../../messages/check-result.ts';
import { blockEventHeaders, type ResultEvent, resultEventHeaders } from '../../messages/cloud-events.ts';
import { RECORD_HEADERS, type RecordForm } from '../../messages/record.ts';
import type { OutgoingRecord } from '../../streaming/driver.ts';

/** Is called when a result is in the log for good. */
export interface Receipt {
  acknowledged(slot: number): void;
}

/** A result on its way to a partition. */
export interface QueuedLine extends Pick<CheckResult, 'jobId' | 'slot'> {
  line: string;
  byteLength: number;
  receipt: Receipt | undefined;
  /** Only when records are CloudEvents. */
  event: ResultEvent | undefined;
}

/** How the records of a queue look. */
export interface RecordLayout {
  form: RecordForm;
  /** Key of the blocks. */
  blockKey: string;
  /** Source of the events that the records are; null: they are none. */
  eventSource: string | null;
}

/** Lines that are sent together; closed when it is full or on its way. */
export class Block {
  lines = 0;
  bytes = 0;
  #buffer: Buffer;
  readonly #ends: number[] = [];
  readonly #keys: number[] = [];
  readonly #receipts: Array<Receipt | undefined> = [];
  readonly #slots: number[] = [];
  readonly #events: ResultEvent[] = [];

  constructor(capacity: number) {
    this.#buffer = Buffer.allocUnsafeSlow(capacity);
  }

  add({ line, byteLength, jobId, slot, receipt, event }: QueuedLine): void {
    const needed = this.bytes + byteLength + 1;
    if (needed > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2));
      this.#buffer.copy(larger, 0, 0, this.bytes);
      this.#buffer = larger;
    }
    this.#buffer.write(line, this.bytes, 'utf8');
    this.#buffer[needed - 1] = NEWLINE;
    this.bytes = needed;
    this.#ends.push(needed);
    this.#keys.push(jobId);
    this.#slots.push(slot);
    this.#receipts.push(receipt);
    if (event !== undefined) this.#events.push(event);
    this.lines++;
  }

  /** One record with all lines, or one for each line with the job's id as its key. */
  toRecords(topic: string, partition: number, { form, blockKey, eventSource }: RecordLayout): OutgoingRecord[] {
    if (form === 'block') {
      const [first] = this.#events;
      const isEvent = eventSource !== null && first !== undefined;
      const event = isEvent ? blockEventHeaders(first, this.lines, eventSource, blockKey) : {};
      const headers = { ...RECORD_HEADERS.block, ...event };
      return [{ topic, partition, key: blockKey, value: this.#buffer.subarray(0, this.bytes), headers }];
    }
    return this.#ends.map((end, index) => {
      const value = this.#buffer.subarray(this.#ends[index - 1] ?? 0, end - 1);
      const key = String(this.#keys[index]);
      const event = eventSource === null ? undefined : this.#events[index];
      const headers = event
        ? { ...RECORD_HEADERS.record, ...resultEventHeaders(event, eventSource as string, key) }
        : RECORD_HEADERS.record;
      return { topic, partition, key, value, headers };
    });
  }

  acknowledge(): void {
    for (let index = 0; index < this.lines; index++) this.#receipts[index]?.acknowledged(elementAt(this.#slots, index));
  }
}

/** The lines that wait for one partition of a topic, in order. At most one block of it is on its way. */
export class PartitionQueue {
  readonly topic: string;
  readonly partition: number;
  readonly layout: RecordLayout;
  sending = false;
  readonly #maxBlockBytes: number;
  readonly #closed: Block[] = [];
  #open: Block | null = null;
  #ripe = false;
  #lastBytes = 4096;

  constructor(topic: string, partition: number, layout: RecordLayout, maxBlockBytes: number) {
    this.topic = topic;
    this.partition = partition;
    this.layout = layout;
    this.#maxBlockBytes = maxBlockBytes;
  }

  /** Returns whether a block is now ready to be sent. */
  add(line: QueuedLine): boolean {
    if (this.#open && this.#open.bytes + line.byteLength + 1 > this.#maxBlockBytes) this.#close();
    this.#open ??= new Block(Math.min(this.#maxBlockBytes, Math.max(4096, this.#lastBytes)));
    this.#open.add(line);
    return this.#closed.length > 0;
  }

  /** The open block has waited long enough. */
  ripen(): void {
    this.#ripe = this.#open !== null;
  }

  get ready(): boolean {
    return !this.sending && (this.#closed.length > 0 || this.#ripe);
  }

  /** The oldest block that is ready; the caller sends it and sets `sending` meanwhile. */
  take(): Block | undefined {
    if (this.#closed.length === 0 && this.#ripe) this.#close();
    return this.#closed.shift();
  }

  #close(): void {
    if (!this.#open) return;
    this.#lastBytes = this.#open.bytes;
    this.#closed.push(this.#open);
    this.#open = null;
    this.#ripe = false;
  }
}

const NEWLINE = 10;
