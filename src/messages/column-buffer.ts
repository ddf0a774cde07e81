import { ValueKeys } from './canonical-values.ts';
import { MAX_VALUES, OUTCOMES, PHASES, REASONS, type Timings } from './check-result.ts';
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
  valueNames = new Int32Array(64);
  valueMicros = new Float64Array(64);
  /** So many of them are in use. */
  valuesLength = 0;
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
    this.valuesLength = 0;
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
    if (result.values !== undefined) this.#pushValues(row, result.values);
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
    for (let at = start; at < end; at++) if (this.valueNames[at] === id) return this.valueMicros[at] as number;
    return null;
  }

  get hasValues(): boolean {
    return this.valuesLength > 0;
  }

  valueNameAt(row: number, at: number): string {
    return this.valueTable.names[this.valueNames[(this.valueStart[row] as number) + at] as number] as string;
  }

  renameValues(row: number, names: ReadonlySet<string>, other: string): void {
    const start = this.valueStart[row] as number;
    for (let at = 0; at < (this.valueCount[row] as number); at++) {
      if (!names.has(this.valueNameAt(row, at))) this.valueNames[start + at] = this.valueTable.fromText(other);
    }
  }

  valuesOf(row: number): Array<[name: string, micros: number]> {
    const start = this.valueStart[row] as number;
    return Array.from({ length: this.valueCount[row] as number }, (_, n) => [
      this.valueTable.names[this.valueNames[start + n] as number] as string,
      this.valueMicros[start + n] as number,
    ]);
  }

  /** Makes room for the values of one more row. */
  reserveValues(): void {
    const { length } = this.valueNames;
    if (this.valuesLength + MAX_VALUES <= length) return;
    this.valueNames = longer(this.valueNames, new Int32Array(2 * length));
    this.valueMicros = longer(this.valueMicros, new Float64Array(2 * length));
  }

  #pushValues(row: number, values: Readonly<Record<string, number>>): void {
    this.reserveValues();
    this.valueStart[row] = this.valuesLength;
    for (const [name, value] of Object.entries(values)) {
      this.valueNames[this.valuesLength] = this.valueTable.fromText(name);
      this.valueMicros[this.valuesLength++] = millionths(value);
    }
    this.valueCount[row] = this.valuesLength - (this.valueStart[row] as number);
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
