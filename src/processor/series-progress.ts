import { OUTCOMES, REASONS } from '../messages/check-result.ts';
import { NO_REASON, NO_STATUS, type ResultColumns } from '../messages/result-columns.ts';
import type { SeriesDelta, SeriesKey, SeriesState } from '../storage/processor-series.ts';
import { type CodeCounts, createCodeCounts } from './code-counts.ts';
import { Names } from './names.ts';

/** How many slots of a block were counted, and why the others were not. */
export interface Tally {
  /** Slots counted, foreign lines not included. */
  results: number;
  /** Lines without a slot; they are always counted. */
  foreign: number;
  /** Slots that had been counted before. */
  duplicates: number;
  /** Slots of an owner that had been replaced. */
  fenced: number;
}

// One series is one row of these numbers, side by side so that a result touches two lines of the processor's cache.
const EPOCH = 0;
const SLOT = 1;
const BASE_EPOCH = 2;
const BASE_SLOT = 3;
/** 0: not read from the database yet; 1: it has no row; 2: it has one. */
const LOADED = 4;
/** 1 when this delta changes the series. */
const TOUCHED = 5;
const LAST_TS = 6;
const LAST_OUTCOME = 7;
const LAST_REASON = 8;
const LAST_STATUS = 9;
const LAST_RT = 10;
const SINCE = 11;
const OUTCOME_COUNTS = 12;
const STRIDE = 16;
const MISSED = OUTCOMES.indexOf('missed');

/**
 * How far each series of one partition has been counted: rule 4 of the design. A result counts when its epoch is not
 * lower and its slot is higher than what the series has; a missed range counts those of its slots that are higher; a
 * fence (0 slots) only raises both. The epoch is raised by a repetition too: a message of a new owner shuts the old one
 * out, whatever it says. Foreign lines have no slot and always count.
 *
 * Rows live in typed arrays and are read from PostgreSQL when a series is first seen. `seal` takes what has changed
 * since the seal before; the state goes on from there.
 */
export class SeriesProgress {
  #rows = new Float64Array(64 * STRIDE);
  #jobIds = new Int32Array(64);
  #locationOf = new Int32Array(64);
  #size = 0;
  /** Open addressing; values are index + 1. */
  #table = new Int32Array(256);
  #locations = new Names();
  #statuses = new Names();
  #touched: number[] = [];
  #missing: number[] = [];
  #codes: CodeCounts = createCodeCounts();

  /** How many series it holds. */
  get size(): number {
    return this.#size;
  }

  /** How many distinct texts it holds beside the series. */
  get texts(): number {
    return this.#locations.names.length + this.#statuses.names.length;
  }

  /** How many series have changed since the last seal. */
  get touched(): number {
    return this.#touched.length;
  }

  /** Finds the series of each row, into `series`. Answers whether all of them are loaded; if not, `missing` says which. */
  resolve(columns: ResultColumns, series: Int32Array): boolean {
    const { length, jobId, location } = columns;
    const locationIds = this.#locations.map(columns.locations);
    let complete = true;
    for (let row = 0; row < length; row++) {
      const index = this.#find(jobId[row], locationIds[location[row]]);
      series[row] = index;
      if (this.#rows[index * STRIDE + LOADED] === 0) complete = false;
    }
    return complete;
  }

  /** The series that were seen and wait for `load`. */
  missing(): SeriesKey[] {
    return this.#missing.map((index) => ({
      jobId: this.#jobIds[index],
      location: this.#locations.names[this.#locationOf[index]],
    }));
  }

  /** What the database says about the series of `missing()`; those it does not mention have no row. */
  load(states: readonly SeriesState[]): void {
    for (const state of states) {
      const index = this.#find(state.jobId, this.#locations.idOf(state.location));
      const at = index * STRIDE;
      const rows = this.#rows;
      if (rows[at + LOADED] !== 0) continue;
      rows[at + EPOCH] = rows[at + BASE_EPOCH] = state.epoch;
      rows[at + SLOT] = rows[at + BASE_SLOT] = state.slot;
      rows[at + LAST_TS] = state.lastTs ?? -1;
      rows[at + LAST_OUTCOME] = state.lastOutcome === null ? -1 : OUTCOMES.indexOf(state.lastOutcome);
      rows[at + LAST_REASON] = state.lastReason === null ? -1 : REASONS.indexOf(state.lastReason);
      rows[at + LAST_STATUS] = state.lastStatus === null ? -1 : this.#statuses.idOf(state.lastStatus);
      rows[at + LAST_RT] = state.lastRt ?? -1;
      rows[at + SINCE] = state.sinceSlot ?? -1;
      rows[at + LOADED] = 2;
    }
    for (const index of this.#missing) {
      const at = index * STRIDE + LOADED;
      if (this.#rows[at] === 0) this.#rows[at] = 1;
    }
    this.#missing = [];
  }

  /**
   * Decides about the rows in order: `counted[row]` becomes the number of slots that count, which are the last
   * ones of the row. Every series must be loaded.
   */
  count(columns: ResultColumns, series: Int32Array, counted: Int32Array, tally: Tally): void {
    const { length, epoch, slot: slots, slots: ranges } = columns;
    const rows = this.#rows;
    const statusIds = this.#statuses.map(columns.statuses);
    for (let row = 0; row < length; row++) {
      const index = series[row];
      const at = index * STRIDE;
      const slot = slots[row];
      if (slot < 0) {
        counted[row] = 1;
        tally.foreign++;
        this.#touch(index);
        this.#note(columns, row, index, 1, statusIds);
        continue;
      }
      const size = ranges[row];
      counted[row] = 0;
      if (epoch[row] < rows[at + EPOCH]) {
        tally.fenced += size;
        continue;
      }
      const stored = rows[at + SLOT];
      if (epoch[row] > rows[at + EPOCH]) {
        rows[at + EPOCH] = epoch[row];
        this.#touch(index);
      }
      if (slot <= stored) {
        tally.duplicates += size;
        continue;
      }
      rows[at + SLOT] = slot;
      this.#touch(index);
      if (size === 0) continue;
      const fresh = size === 1 ? 1 : Math.min(size, Math.ceil((slot - stored) / columns.periodMs[row]));
      counted[row] = fresh;
      tally.results += fresh;
      tally.duplicates += size - fresh;
      this.#note(columns, row, index, fresh, statusIds);
    }
  }

  /** Takes what has changed since the last seal, sorted by series, and starts anew from there. */
  seal(): SeriesDelta {
    const order = this.#touched.sort((a, b) => this.#compare(a, b));
    const length = order.length;
    const rows = this.#rows;
    const column = (offset: number) => order.map((index) => rows[index * STRIDE + offset]);
    const nullable = (offset: number) => order.map((index) => orNull(rows[index * STRIDE + offset]));
    const named = <Name extends string>(offset: number, names: readonly Name[]): Array<Name | null> =>
      order.map((index) => names[rows[index * STRIDE + offset]] ?? null);
    const outcomes = OUTCOMES.map((_, outcome) => column(OUTCOME_COUNTS + outcome));
    const delta: SeriesDelta = {
      length,
      jobId: order.map((index) => this.#jobIds[index]),
      location: order.map((index) => this.#locations.names[this.#locationOf[index]]),
      isNew: order.map((index) => rows[index * STRIDE + LOADED] === 1),
      oldEpoch: column(BASE_EPOCH),
      oldSlot: column(BASE_SLOT),
      epoch: column(EPOCH),
      slot: column(SLOT),
      lastTs: nullable(LAST_TS),
      lastOutcome: named(LAST_OUTCOME, OUTCOMES),
      lastReason: named(LAST_REASON, REASONS),
      lastStatus: named(LAST_STATUS, this.#statuses.names),
      lastRt: nullable(LAST_RT),
      sinceSlot: nullable(SINCE),
      outcomes,
      codes: order.map((index) => this.#codes.take(index, this.#statuses.names)),
    };
    for (const index of order) {
      const at = index * STRIDE;
      rows[at + BASE_EPOCH] = rows[at + EPOCH];
      rows[at + BASE_SLOT] = rows[at + SLOT];
      rows[at + LOADED] = 2;
      rows[at + TOUCHED] = 0;
      rows.fill(0, at + OUTCOME_COUNTS, at + STRIDE);
    }
    this.#touched = [];
    return delta;
  }

  /**
   * Forgets every series but those of `keep`, the delta that was sealed last and may not be in the database yet. To be
   * called straight after `seal`. What is forgotten is read again when it is seen again.
   */
  forgetIdle(keep: SeriesDelta): void {
    const old = this.#rows;
    const kept = Array.from({ length: keep.length }, (_, position) =>
      this.#find(keep.jobId[position], this.#locations.idOf(keep.location[position])),
    );
    this.#size = 0;
    this.#table = new Int32Array(256);
    this.#rows = new Float64Array(64 * STRIDE);
    this.#jobIds = new Int32Array(64);
    this.#locationOf = new Int32Array(64);
    this.#locations = new Names();
    this.#statuses = new Names();
    this.#codes = createCodeCounts();
    kept.forEach((index, position) => {
      const moved = this.#find(keep.jobId[position], this.#locations.idOf(keep.location[position]));
      this.#rows.set(old.subarray(index * STRIDE, (index + 1) * STRIDE), moved * STRIDE);
      const status = keep.lastStatus[position];
      this.#rows[moved * STRIDE + LAST_STATUS] = status === null ? -1 : this.#statuses.idOf(status);
    });
    this.#missing = [];
  }

  #note(columns: ResultColumns, row: number, index: number, times: number, statusIds: readonly number[]): void {
    const rows = this.#rows;
    const at = index * STRIDE;
    const outcome = columns.outcome[row];
    rows[at + OUTCOME_COUNTS + outcome] = rows[at + OUTCOME_COUNTS + outcome] + times;
    const status = columns.status[row];
    if (status !== NO_STATUS) this.#codes.add(index, statusIds[status], times);
    const ts = columns.ts[row];
    const slot = columns.slot[row];
    // Foreign lines come in any order: an old one does not become the last result.
    if (slot < 0 && ts < rows[at + LAST_TS]) return;
    if (rows[at + LAST_OUTCOME] !== outcome) {
      rows[at + SINCE] = slot < 0 ? ts : outcome === MISSED ? slot - (times - 1) * columns.periodMs[row] : slot;
    }
    rows[at + LAST_TS] = ts;
    rows[at + LAST_OUTCOME] = outcome;
    rows[at + LAST_REASON] = columns.reason[row] === NO_REASON ? -1 : columns.reason[row];
    rows[at + LAST_STATUS] = status === NO_STATUS ? -1 : statusIds[status];
    rows[at + LAST_RT] = columns.rtMicros[row];
  }

  #touch(index: number): void {
    const at = index * STRIDE + TOUCHED;
    if (this.#rows[at] === 1) return;
    this.#rows[at] = 1;
    this.#touched.push(index);
  }

  #find(jobId: number, locationId: number): number {
    const table = this.#table;
    const mask = table.length - 1;
    let at = hash(jobId, locationId) & mask;
    for (let entry = table[at]; entry !== 0; entry = table[at]) {
      const index = entry - 1;
      if (this.#jobIds[index] === jobId && this.#locationOf[index] === locationId) return index;
      at = (at + 1) & mask;
    }
    return this.#insert(jobId, locationId, at);
  }

  #insert(jobId: number, locationId: number, at: number): number {
    if (this.#size === this.#jobIds.length) this.#grow();
    const index = this.#size++;
    this.#jobIds[index] = jobId;
    this.#locationOf[index] = locationId;
    const start = index * STRIDE;
    this.#rows.fill(0, start, start + STRIDE);
    this.#rows.fill(-1, start, start + LOADED);
    this.#rows.fill(-1, start + LAST_TS, start + OUTCOME_COUNTS);
    this.#missing.push(index);
    if (this.#size * 2 > this.#table.length) this.#rehash();
    else this.#table[at] = index + 1;
    return index;
  }

  #grow(): void {
    const capacity = this.#jobIds.length * 2;
    this.#rows = extend(this.#rows, new Float64Array(capacity * STRIDE));
    this.#jobIds = extend(this.#jobIds, new Int32Array(capacity));
    this.#locationOf = extend(this.#locationOf, new Int32Array(capacity));
  }

  #rehash(): void {
    const table = new Int32Array(this.#table.length * 2);
    const mask = table.length - 1;
    for (let index = 0; index < this.#size; index++) {
      let at = hash(this.#jobIds[index], this.#locationOf[index]) & mask;
      while (table[at] !== 0) at = (at + 1) & mask;
      table[at] = index + 1;
    }
    this.#table = table;
  }

  #compare(a: number, b: number): number {
    return this.#jobIds[a] - this.#jobIds[b] || this.#locationOf[a] - this.#locationOf[b];
  }
}

function hash(jobId: number, locationId: number): number {
  const mixed = Math.imul(jobId ^ Math.imul(locationId, 0x85ebca6b), 0x9e3779b1);
  return mixed ^ (mixed >>> 15);
}

function orNull(value: number): number | null {
  return value < 0 ? null : value;
}

function extend<T extends Float64Array | Int32Array>(old: T, larger: T): T {
  larger.set(old);
  return larger;
}
