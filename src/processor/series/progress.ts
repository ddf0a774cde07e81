import type { SeriesIds } from '../../aggregates/accumulator/series-ids.ts';
import { doubled } from '../../aggregates/accumulator/series-index.ts';
import { elementAt } from '../../core/element-at.ts';
import { OUTCOMES, REASONS } from '../../messages/check-result.ts';
import { Interner } from '../../messages/interner.ts';
import { NO_REASON, NO_STATUS, type ResultColumns } from '../../messages/result-columns.ts';
import { NamedStatuses } from '../counting/named-statuses.ts';
import { NamedValues } from '../counting/named-values.ts';
import type { SlotCounters } from '../tables/offsets.ts';
import type { SeriesDelta, SeriesKey, SeriesMoves, SeriesState } from '../tables/series.ts';
import { KEY, rowOf, STATE } from '../tables/series-columns.ts';
import { OUTCOME_MASK, packKind, REASON_MASK, REASON_SHIFT, STATUS_SHIFT } from './last-kind.ts';
import { JobLocations } from './locations.ts';

// One series is one row of these eight numbers, side by side so that a result touches one line of the processor's cache.
const EPOCH = 0;
const SLOT = 1;
/** IS_NEW or IS_STORED, and TOUCHED when this delta changes the series. */
const FLAGS = 2;
const LAST_TS = 3;
const LAST_RT = 4;
const SINCE = 5;
/** Outcome, reason and status of the last result, packed; 0: there was none. */
const LAST_KIND = 6;
/** Id + 1 of the status that was last found among the named ones. */
const NAMED = 7;
const STRIDE = 8;

const IS_NEW = 1;
const IS_STORED = 2;
const TOUCHED = 4;

const STALLED = REASONS.indexOf('stalled');

/**
 * How far each series of one partition has been counted: rule 4 of the design. A result counts when its epoch is not
 * lower and its slot is higher than what the series has; a missed range counts those of its slots that are higher; a
 * fence (0 slots) only raises both. The epoch is raised by a repetition too: a message of a new owner shuts the old one
 * out, repetition or not. Foreign lines have no slot and always count.
 *
 * Rows live in typed arrays and are read from PostgreSQL when a series is first seen. `takeMoves` takes what has changed
 * since it was called last; the state goes on from there.
 */
export class SeriesProgress {
  #rows = new Float64Array(64 * STRIDE);
  #baseEpoch = new Float64Array(64);
  #baseSlot = new Float64Array(64);
  /** Series below this number are loaded. */
  #loaded = 0;
  /** Series below this number have a row. */
  #size = 0;
  readonly #ids: SeriesIds;
  #statuses = new Interner();
  #touched: number[] = [];
  /** Whether a series has got another outcome since takeMoves, or its first one. */
  changesOutcome = false;
  /** Totals by series: results counted, and their statuses as JSON text. */
  #counts = new Float64Array(64);
  #statusCounts: string[] = [];
  /** The series that were taken last, in their order. */
  #taken: number[] = [];
  readonly #named = new NamedStatuses();
  /** Of the last `count`, too. */
  readonly values = new NamedValues();
  readonly #locations = new JobLocations();
  /** Series that are one too many for their job. */
  readonly #surplus = new Set<number>();

  /** `ids` may be shared, but only `forgetIdle` clears them. */
  constructor(ids: SeriesIds) {
    this.#ids = ids;
  }

  /** How many distinct texts it holds beside the series. */
  get texts(): number {
    return this.#ids.names.length + this.#statuses.names.length;
  }

  /** How many series have changed since takeMoves. */
  get touched(): number {
    return this.#touched.length;
  }

  /**
   * Finds the series of each row, into `series`. Returns whether all of them are loaded; if not, `missing` says which. If
   * they are, `doubts` are the rows that reach beyond `latestMs`, raise the epoch of their series, or are of a surplus one.
   */
  resolve(columns: ResultColumns, series: Int32Array, latestMs = Infinity, doubts: number[] = []): boolean {
    const { length, epoch, slot, ts } = columns;
    const rows = this.#rows;
    const loaded = this.#loaded;
    const hasSurplus = this.#surplus.size > 0;
    doubts.length = 0;
    for (let row = 0; row < length; row++) {
      const index = this.#ids.idOf(columns, row);
      series[row] = index;
      if (
        (slot[row] as number) > latestMs ||
        (ts[row] as number) > latestMs ||
        (index < loaded && (epoch[row] as number) > (rows[index * STRIDE + EPOCH] as number))
      )
        doubts.push(row);
      else if (hasSurplus && this.#surplus.has(index)) doubts.push(row);
    }
    return loaded === this.#ids.size;
  }

  /** Whether this series is one too many for its job. */
  isSurplus(series: number): boolean {
    return this.#surplus.has(series);
  }

  /** Rows of the last `count` whose status is not among those that are named for their series. */
  get unnamed(): readonly number[] {
    return this.#named.unnamed;
  }

  /** The series that were seen and wait for `load`. */
  missing(): SeriesKey[] {
    const keys: SeriesKey[] = [];
    for (let index = this.#loaded; index < this.#ids.size; index++) keys.push(this.#keyOf(index));
    return keys;
  }

  /** Takes the stored states of the series of `missing()`; a series without a state has no row. */
  load(states: readonly SeriesState[], stored: ReadonlyMap<number, number> = new Map()): void {
    const isKnown = new Set<number>();
    for (const state of states) {
      const index = this.#ids.idOfSeries(state.jobId, state.location);
      if (!state.isNew) isKnown.add(index);
      if (index < this.#loaded) continue;
      this.#reach(this.#ids.size);
      const at = index * STRIDE;
      const rows = this.#rows;
      this.#baseEpoch[index] = rows[at + EPOCH] = state.epoch;
      this.#baseSlot[index] = rows[at + SLOT] = state.slot;
      this.#counts[index] = state.count;
      this.#statusCounts[index] = state.statusCounts;
      this.values.load(index, state.valueNames);
      rows[at + FLAGS] = state.isNew ? IS_NEW : IS_STORED;
      rows[at + LAST_TS] = state.lastTs ?? -1;
      rows[at + LAST_RT] = state.lastRt ?? -1;
      rows[at + SINCE] = state.sinceSlot ?? -1;
      rows[at + LAST_KIND] = packKind(
        state.lastOutcome === null ? -1 : OUTCOMES.indexOf(state.lastOutcome),
        state.lastReason === null ? -1 : REASONS.indexOf(state.lastReason),
        state.lastStatus === null ? -1 : this.#statuses.fromText(state.lastStatus),
      );
    }
    this.#reach(this.#ids.size);
    for (let index = this.#loaded; index < this.#size; index++) {
      const jobId = this.#ids.jobIds[index] as number;
      if (!isKnown.has(index) && !this.#locations.add(jobId, stored.get(jobId) ?? 0)) this.#surplus.add(index);
    }
    this.#loaded = this.#size;
  }

  /**
   * Decides about rows [from, to) in order: `counted[row]` becomes the number of slots that count, which are the last ones
   * of the row. Every series must be loaded. Without `foreign`, foreign lines are left for `countForeign`.
   */
  count(
    columns: ResultColumns,
    series: Int32Array,
    counted: Int32Array,
    counters: SlotCounters,
    { from = 0, to = columns.length, foreign = true } = {},
  ): void {
    const { epoch, slot: slots, slots: ranges } = columns;
    const rows = this.#rows;
    this.#named.unnamed = [];
    let results = 0;
    for (let row = from; row < to; row++) {
      const at = (series[row] as number) * STRIDE;
      const slot = slots[row] as number;
      if (epoch[row] === rows[at + EPOCH] && slot > (rows[at + SLOT] as number) && ranges[row] === 1) {
        // Nearly every result: the next one of its series.
        rows[at + SLOT] = slot;
        counted[row] = 1;
        results++;
        if ((rows[at + FLAGS] as number) < TOUCHED) this.#touch(series[row] as number);
        this.#note(columns, row, at, slot);
      } else {
        const wanted = slot >= 0 || foreign;
        counted[row] = wanted ? this.#countOther(columns, row, series[row] as number, counters) : 0;
      }
    }
    counters.results += results;
    this.values.name(columns, series, counted, from, to);
  }

  /** How many slots of a row of this series would count now; they are the last ones of it. */
  fresh({ epoch, slot, slots, periodMs }: ResultColumns, row: number, series: number): number {
    const at = series * STRIDE;
    const stored = this.#rows[at + SLOT] as number;
    if ((epoch[row] as number) < (this.#rows[at + EPOCH] as number) || (slot[row] as number) <= stored) return 0;
    const size = slots[row] as number;
    if (size <= 1) return size;
    return Math.min(size, Math.ceil(((slot[row] as number) - stored) / (periodMs[row] as number)));
  }

  /** Counts the foreign lines among all rows, and no others. */
  countForeign(columns: ResultColumns, series: Int32Array, counted: Int32Array, counters: SlotCounters): void {
    this.#named.unnamed = [];
    for (let row = 0; row < columns.length; row++) {
      const isForeign = (columns.slot[row] as number) < 0;
      counted[row] = isForeign ? this.#countOther(columns, row, series[row] as number, counters) : 0;
    }
    this.values.name(columns, series, counted, 0, columns.length);
  }

  /** Takes what has changed since the last time, sorted by series, and goes on from there. */
  takeMoves(): SeriesMoves {
    const order = this.#touched.sort((a, b) => this.#compare(a, b));
    const rows = this.#rows;
    const column = (offset: number) => order.map((index) => rows[index * STRIDE + offset] as number);
    const nullable = (offset: number) => column(offset).map((value) => (value < 0 ? null : value));
    const kinds = column(LAST_KIND);
    const moves: SeriesMoves = {
      length: order.length,
      jobId: order.map((index) => this.#ids.jobIds[index] as number),
      location: order.map((index) => elementAt(this.#ids.names, this.#ids.locations[index] as number)),
      isNew: column(FLAGS).map((state) => (state & IS_NEW) !== 0),
      oldEpoch: order.map((index) => this.#baseEpoch[index] as number),
      oldSlot: order.map((index) => this.#baseSlot[index] as number),
      epoch: column(EPOCH),
      slot: column(SLOT),
      lastTs: nullable(LAST_TS),
      lastOutcome: kinds.map((kind) => OUTCOMES[(kind & OUTCOME_MASK) - 1] ?? null),
      lastReason: kinds.map((kind) => REASONS[((kind >> REASON_SHIFT) & REASON_MASK) - 1] ?? null),
      lastStatus: kinds.map((kind) => this.#statuses.names[(kind >> STATUS_SHIFT) - 1] ?? null),
      lastRt: nullable(LAST_RT),
      sinceSlot: nullable(SINCE),
      oldCount: order.map((index) => this.#counts[index] as number),
      oldStatusCounts: order.map((index) => elementAt(this.#statusCounts, index)),
      isExact: order.map((index) => this.#named.changed.has(index) || this.values.hasChanged(index)),
      newValueNames: this.values.take(order),
    };
    this.#named.changed.clear();
    for (const index of order) {
      const at = index * STRIDE;
      this.#baseEpoch[index] = rows[at + EPOCH] as number;
      this.#baseSlot[index] = rows[at + SLOT] as number;
      rows[at + FLAGS] = IS_STORED;
    }
    this.#touched = [];
    this.changesOutcome = false;
    this.#taken = order;
    return moves;
  }

  /** Takes the totals that the series taken last have with their change. */
  setTotals({ oldCount, newStatusCounts, up, degraded, down, missed }: SeriesDelta): void {
    for (const [at, index] of this.#taken.entries()) {
      const added = elementAt(up, at) + elementAt(degraded, at) + elementAt(down, at) + elementAt(missed, at);
      this.#counts[index] = elementAt(oldCount, at) + added;
      this.#statusCounts[index] = elementAt(newStatusCounts, at);
    }
  }

  /**
   * Forgets every series but those of `keep`, those taken last and may not be in the database yet. To be
   * called straight after `takeMoves` and `setTotals`. A forgotten series is read again when it is seen again.
   */
  forgetIdle(keep: SeriesMoves): void {
    const kept = this.#taken.map((index, row) => ({
      ...rowOf(KEY, keep, row),
      ...rowOf(STATE, keep, row),
      count: this.#counts[index] as number,
      statusCounts: elementAt(this.#statusCounts, index),
      valueNames: this.values.stored(index),
    }));
    this.#ids.clear();
    this.#statuses = new Interner();
    this.#size = 0;
    this.#loaded = 0;
    this.#rows = new Float64Array(64 * STRIDE);
    this.#baseEpoch = new Float64Array(64);
    this.#baseSlot = new Float64Array(64);
    this.#counts = new Float64Array(64);
    this.#statusCounts = [];
    this.#taken = [];
    this.#named.clear();
    this.values.clear();
    this.#locations.clear();
    this.#surplus.clear();
    this.load(kept);
  }

  /** Counts a row that is not simply the next result of its series. Returns how many slots count. */
  #countOther(columns: ResultColumns, row: number, index: number, counters: SlotCounters): number {
    const rows = this.#rows;
    const at = index * STRIDE;
    const slot = columns.slot[row] as number;
    if (slot < 0) {
      counters.foreign++;
      this.#touch(index);
      // Foreign lines come in any order: an old one does not become the last result.
      const ts = columns.ts[row] as number;
      if (ts >= (rows[at + LAST_TS] as number)) this.#note(columns, row, at, ts);
      else this.#name(columns, row, at);
      return 1;
    }
    const size = columns.slots[row] as number;
    const epoch = columns.epoch[row] as number;
    if (epoch < (rows[at + EPOCH] as number)) {
      counters.fenced += size;
      return 0;
    }
    if (epoch > (rows[at + EPOCH] as number)) {
      rows[at + EPOCH] = epoch;
      this.#touch(index);
    }
    const stored = rows[at + SLOT] as number;
    if (slot <= stored) {
      counters.duplicates += size;
      return 0;
    }
    const fresh = this.fresh(columns, row, index);
    rows[at + SLOT] = slot;
    this.#touch(index);
    if (size === 0) return 0;
    counters.results += fresh;
    counters.duplicates += size - fresh;
    this.#note(columns, row, at, slot - (fresh - 1) * (columns.periodMs[row] as number));
    return fresh;
  }

  /** The last result of the series at `at` is this row, which began at `sinceMs`. */
  #note(columns: ResultColumns, row: number, at: number, sinceMs: number): void {
    const reason = columns.reason[row] as number;
    // Says nothing about the site: the result before it stands, and so does the time since when.
    if (reason === STALLED) {
      this.#name(columns, row, at);
      return;
    }
    const rows = this.#rows;
    const outcome = columns.outcome[row] as number;
    if (((rows[at + LAST_KIND] as number) & OUTCOME_MASK) !== outcome + 1) {
      rows[at + SINCE] = sinceMs;
      this.changesOutcome = true;
    }
    const status = columns.status[row] as number;
    const statusId = status === NO_STATUS ? -1 : this.#statuses.translate(columns.statuses, status);
    if (statusId >= 0 && statusId + 1 !== rows[at + NAMED]) this.#name(columns, row, at);
    rows[at + LAST_KIND] =
      outcome +
      1 + // packKind(), written out: this is done for every result.
      (reason === NO_REASON ? 0 : (reason + 1) << REASON_SHIFT) +
      ((statusId + 1) << STATUS_SHIFT);
    rows[at + LAST_TS] = columns.ts[row] as number;
    rows[at + LAST_RT] = columns.rtMicros[row] as number;
  }

  /** Sees to it that the status of a row is named for its series, or that the row counts as another one. */
  #name(columns: ResultColumns, row: number, at: number): void {
    const status = columns.status[row] as number;
    if (status === NO_STATUS) return;
    const index = at / STRIDE;
    if (this.#named.name(row, index, elementAt(columns.statuses, status), elementAt(this.#statusCounts, index)))
      this.#rows[at + NAMED] = this.#statuses.translate(columns.statuses, status) + 1;
  }

  #touch(index: number): void {
    const at = index * STRIDE + FLAGS;
    if ((this.#rows[at] as number) >= TOUCHED) return;
    this.#rows[at] = (this.#rows[at] as number) + TOUCHED;
    this.#touched.push(index);
  }

  /** Makes empty rows for all series below `size`. */
  #reach(size: number): void {
    while (this.#baseEpoch.length < size) {
      this.#rows = doubled(this.#rows);
      this.#baseEpoch = doubled(this.#baseEpoch);
      this.#baseSlot = doubled(this.#baseSlot);
      this.#counts = doubled(this.#counts);
    }
    for (; this.#size < size; this.#size++) {
      const start = this.#size * STRIDE;
      this.#rows.fill(-1, start, start + STRIDE);
      this.#rows[start + FLAGS] = IS_NEW;
      this.#rows[start + LAST_KIND] = 0;
      this.#baseEpoch[this.#size] = -1;
      this.#baseSlot[this.#size] = -1;
      this.#counts[this.#size] = 0;
      this.#statusCounts[this.#size] = '{}';
    }
  }

  #keyOf(index: number): SeriesKey {
    const { jobIds, locations, names } = this.#ids;
    return { jobId: jobIds[index] as number, location: elementAt(names, locations[index] as number) };
  }

  #compare(a: number, b: number): number {
    const { jobIds, locations } = this.#ids;
    return (jobIds[a] as number) - (jobIds[b] as number) || (locations[a] as number) - (locations[b] as number);
  }
}
