import { ValueKeys } from './canonical-values.ts';
import { OUTCOMES, PHASES, REASONS, type Timings } from './check-result.ts';
import { millionths } from './encode.ts';
import { Interner } from './interner.ts';
import { NO_REASON, NO_STATUS, type ResultColumns } from './result-columns.ts';
import type { AnyResult } from './validity.ts';

/** Columns that cost time and are kept only when they are wanted. */
export interface KeptColumns {
  timings?: boolean;
  offsets?: boolean;
}

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
  timings: Float64Array | null;
  offsets: Float64Array | null;
  valueCount = new Uint8Array(this.capacity);
  valueStart = new Int32Array(this.capacity);
  maintenance = new Uint8Array(this.capacity);
  lineStart = new Int32Array(this.capacity);
  lineEnd = new Int32Array(this.capacity);
  /** The values of all rows, one after the other: their names, and millionths. */
  #valueNames = new Int32Array(64);
  #valueMicros = new Float64Array(64);
  #values = 0;
  readonly valueTable = new Interner();
  readonly valueKeys = new ValueKeys();
  readonly locationTable = new Interner();
  readonly statusTable = new Interner();

  constructor({ timings = false, offsets = false }: KeptColumns = {}) {
    this.offsets = offsets ? new Float64Array(this.capacity) : null;
    this.timings = timings ? new Float64Array(this.capacity * PHASES.length) : null;
  }

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
    const { names } = this.valueTable;
    this.valueTable.trim(MAX_TEXTS);
    if (this.valueTable.names !== names) this.valueKeys.clear();
    this.#values = 0;
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
    this.#pushTimings(row, result.timings ?? {});
    this.valueCount[row] = 0;
    for (const [name, value] of Object.entries(result.values ?? {}))
      this.addValue(row, this.valueTable.fromText(name), millionths(value));
    this.maintenance[row] = result.maintenance === true ? 1 : 0;
    this.lineStart[row] = lineStart;
    this.lineEnd[row] = lineEnd;
  }

  statusIndex(text: string): number {
    return this.statusTable.fromText(text);
  }

  valueOf(row: number, name: string): number | null {
    if (this.valueCount[row] === 0) return null;
    const id = this.valueTable.idOf(name);
    const start = this.valueStart[row] as number;
    const end = start + (this.valueCount[row] as number);
    for (let at = start; at < end; at++) if (this.#valueNames[at] === id) return this.#valueMicros[at] as number;
    return null;
  }

  valuesOf(row: number): Array<[name: string, micros: number]> {
    const start = this.valueStart[row] as number;
    return Array.from({ length: this.valueCount[row] as number }, (_, n) => [
      this.valueTable.names[this.#valueNames[start + n] as number] as string,
      this.#valueMicros[start + n] as number,
    ]);
  }

  /** Whether a row, which is the last one, has a value of this name so far. */
  hasValue(row: number, name: number): boolean {
    for (let n = this.valueCount[row] as number; n > 0; n--)
      if (this.#valueNames[this.#values - n] === name) return true;
    return false;
  }

  /** Adds a value to a row, which is the last one. */
  addValue(row: number, name: number, micros: number): void {
    if (this.#values === this.#valueNames.length) {
      this.#valueNames = longer(this.#valueNames, new Int32Array(2 * this.#values));
      this.#valueMicros = longer(this.#valueMicros, new Float64Array(2 * this.#values));
    }
    if (this.valueCount[row] === 0) this.valueStart[row] = this.#values;
    this.valueCount[row] = (this.valueCount[row] as number) + 1;
    this.#valueNames[this.#values] = name;
    this.#valueMicros[this.#values++] = micros;
  }

  /** Takes the values of a row, which is the last one, back. */
  dropValues(row: number): void {
    this.#values -= this.valueCount[row] as number;
    this.valueCount[row] = 0;
  }

  #pushTimings(row: number, timings: Timings): void {
    if (this.timings === null) return;
    for (const [phase, name] of PHASES.entries()) {
      const spent = timings[name];
      this.timings[row * PHASES.length + phase] = spent === undefined ? -1 : Math.round(spent * 1e6);
    }
  }

  /** Removes rows; the others keep their order. */
  remove(rows: ReadonlySet<number>): void {
    let to = 0;
    const columns = this.#all();
    for (let row = 0; row < this.length; row++) {
      if (rows.has(row)) continue;
      for (const column of columns) column.copyWithin(to, row, row + 1);
      this.timings?.copyWithin(to * PHASES.length, row * PHASES.length, (row + 1) * PHASES.length);
      to++;
    }
    this.length = to;
  }

  #all() {
    const { jobId, location, epoch, slot, slots, periodMs, ts, outcome, reason, status } = this;
    const { rtMicros, bytes, valueCount, valueStart, maintenance, lineStart, lineEnd } = this;
    return [
      ...[jobId, location, epoch, slot, slots, periodMs, ts, outcome, reason, status],
      ...(this.offsets === null ? [] : [this.offsets]),
      ...[rtMicros, bytes, valueCount, valueStart, maintenance, lineStart, lineEnd],
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
    if (this.timings !== null) this.timings = longer(this.timings, new Float64Array(this.capacity * PHASES.length));
    if (this.offsets !== null) this.offsets = longer(this.offsets, new Float64Array(this.capacity));
    this.valueCount = longer(this.valueCount, new Uint8Array(this.capacity));
    this.valueStart = longer(this.valueStart, new Int32Array(this.capacity));
    this.maintenance = longer(this.maintenance, new Uint8Array(this.capacity));
    this.lineStart = longer(this.lineStart, new Int32Array(this.capacity));
    this.lineEnd = longer(this.lineEnd, new Int32Array(this.capacity));
  }
}

const MAX_TEXTS = 4096;

function longer<T extends Int32Array | Float64Array | Uint8Array>(old: T, fresh: T): T {
  fresh.set(old);
  return fresh;
}
