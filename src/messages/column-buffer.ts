import { OUTCOMES, REASONS } from './check-result.ts';
import { Interner } from './interner.ts';
import { NO_REASON, NO_STATUS, type ResultColumns } from './result-columns.ts';
import type { AnyResult } from './validity.ts';

/** Columns that grow as rows are appended, and the texts they refer to. */
export class ColumnBuffer implements ResultColumns {
  length = 0;
  capacity = 1024;
  jobId = new Int32Array(this.capacity);
  location = new Int32Array(this.capacity);
  epoch = new Float64Array(this.capacity);
  slot = new Float64Array(this.capacity);
  slots = new Int32Array(this.capacity);
  periodMs = new Float64Array(this.capacity);
  ts = new Float64Array(this.capacity);
  outcome = new Uint8Array(this.capacity);
  reason = new Uint8Array(this.capacity);
  status = new Int32Array(this.capacity);
  rtMicros = new Float64Array(this.capacity);
  bytes = new Float64Array(this.capacity);
  lineStart = new Int32Array(this.capacity);
  lineEnd = new Int32Array(this.capacity);
  readonly locationTable = new Interner();
  readonly statusTable = new Interner();

  get locations(): readonly string[] {
    return this.locationTable.names;
  }

  get statuses(): readonly string[] {
    return this.statusTable.names;
  }

  /** Forgets the rows, and the texts if they have become many. Ids from before are void. */
  reset(): void {
    this.length = 0;
    this.locationTable.trim(MAX_TEXTS);
    this.statusTable.trim(MAX_TEXTS);
  }

  push(result: AnyResult, lineStart: number, lineEnd: number): void {
    if (this.length === this.capacity) this.grow();
    const row = this.length++;
    this.jobId[row] = result.jobId;
    this.location[row] = this.locationTable.fromText(result.location);
    this.epoch[row] = result.epoch ?? -1;
    this.slot[row] = result.slot ?? -1;
    this.slots[row] = result.slots ?? 1;
    this.periodMs[row] = result.periodMs ?? 0;
    this.ts[row] = result.ts;
    this.outcome[row] = OUTCOMES.indexOf(result.outcome);
    this.reason[row] = result.reason === undefined ? NO_REASON : REASONS.indexOf(result.reason);
    this.status[row] = result.status === null ? NO_STATUS : this.statusTable.fromText(result.status);
    this.rtMicros[row] = result.responseTime === null ? -1 : Math.round(result.responseTime * 1e6);
    this.bytes[row] = result.bytes ?? -1;
    this.lineStart[row] = lineStart;
    this.lineEnd[row] = lineEnd;
  }

  statusIndex(text: string): number {
    return this.statusTable.fromText(text);
  }

  /** Removes rows; the others keep their order. */
  remove(rows: ReadonlySet<number>): void {
    let to = 0;
    const columns = this.#all();
    for (let row = 0; row < this.length; row++) {
      if (rows.has(row)) continue;
      for (const column of columns) column.copyWithin(to, row, row + 1);
      to++;
    }
    this.length = to;
  }

  #all() {
    const { jobId, location, epoch, slot, slots, periodMs, ts, outcome, reason, status } = this;
    const { rtMicros, bytes, lineStart, lineEnd } = this;
    return [
      ...[jobId, location, epoch, slot, slots, periodMs, ts, outcome, reason, status],
      ...[rtMicros, bytes, lineStart, lineEnd],
    ];
  }

  grow(): void {
    this.capacity *= 2;
    this.jobId = longer(this.jobId, new Int32Array(this.capacity));
    this.location = longer(this.location, new Int32Array(this.capacity));
    this.epoch = longer(this.epoch, new Float64Array(this.capacity));
    this.slot = longer(this.slot, new Float64Array(this.capacity));
    this.slots = longer(this.slots, new Int32Array(this.capacity));
    this.periodMs = longer(this.periodMs, new Float64Array(this.capacity));
    this.ts = longer(this.ts, new Float64Array(this.capacity));
    this.outcome = longer(this.outcome, new Uint8Array(this.capacity));
    this.reason = longer(this.reason, new Uint8Array(this.capacity));
    this.status = longer(this.status, new Int32Array(this.capacity));
    this.rtMicros = longer(this.rtMicros, new Float64Array(this.capacity));
    this.bytes = longer(this.bytes, new Float64Array(this.capacity));
    this.lineStart = longer(this.lineStart, new Int32Array(this.capacity));
    this.lineEnd = longer(this.lineEnd, new Int32Array(this.capacity));
  }
}

const MAX_TEXTS = 4096;

function longer<T extends Int32Array | Float64Array | Uint8Array>(old: T, fresh: T): T {
  fresh.set(old);
  return fresh;
}
