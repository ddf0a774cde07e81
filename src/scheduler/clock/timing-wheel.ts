/**
 * A hashed timing wheel: at most one timer for each id (a small integer), buckets of 1 ms, intrusive lists in typed
 * arrays, no object and no closure per timer. A timer further away than one turn stays in its bucket and is passed over.
 * Timers never fire early. It knows no clock: `advance` is given the time.
 */
export class TimingWheel {
  readonly #heads: Int32Array;
  readonly #mask: number;
  #next: Int32Array;
  #previous: Int32Array;
  /** Tick at which the timer fires; -1 when it is not set. */
  #ticks: Float64Array;
  /** The next tick to be processed. */
  #cursor: number;
  /** 1 while a tick fires: a timer set then goes to the next tick, so that a tick ends. */
  #firing = 0;
  readonly #due: number[] = [];
  #size = 0;

  /** `buckets` must be a power of two. */
  constructor(nowMs: number, { capacity = 1024, buckets = 65_536 } = {}) {
    this.#heads = new Int32Array(buckets).fill(NONE);
    this.#mask = buckets - 1;
    this.#next = new Int32Array(capacity);
    this.#previous = new Int32Array(capacity);
    this.#ticks = new Float64Array(capacity).fill(NONE);
    this.#cursor = Math.floor(nowMs / TICK_MS);
  }

  get size(): number {
    return this.#size;
  }

  isSet(id: number): boolean {
    return id < this.#ticks.length && this.#ticks[id] !== NONE;
  }

  /** Sets or moves the timer of `id` to the first tick at or after `dueMs`; Infinity unsets it. */
  set(id: number, dueMs: number): void {
    if (id >= this.#ticks.length) this.#grow(id);
    if (this.#ticks[id] !== NONE) this.clear(id);
    if (dueMs === Number.POSITIVE_INFINITY) return;
    this.#link(id, Math.max(Math.ceil(dueMs / TICK_MS), this.#cursor + this.#firing));
    this.#size++;
  }

  clear(id: number): void {
    if (!this.isSet(id)) return;
    const next = this.#next[id] as number;
    const previous = this.#previous[id] as number;
    if (previous === NONE) this.#heads[(this.#ticks[id] as number) & this.#mask] = next;
    else this.#next[previous] = next;
    if (next !== NONE) this.#previous[next] = previous;
    this.#ticks[id] = NONE;
    this.#size--;
  }

  /**
   * Fires the timers that are due at `nowMs`: calls `onDue(id)` for each, in order of ticks, after its timer is unset; it
   * may set and clear any timers. Stops early when `keepOn` returns false (called after each timer), and returns whether all have
   * fired; the rest fires with the next call.
   */
  advance(nowMs: number, onDue: (id: number) => void, keepOn: () => boolean = always): boolean {
    const last = Math.floor(nowMs / TICK_MS);
    if (last - this.#cursor > this.#mask) this.#jump(last - this.#mask);
    for (; this.#cursor <= last; this.#cursor++) {
      if (this.#heads[this.#cursor & this.#mask] !== NONE && !this.#fire(this.#cursor, onDue, keepOn)) return false;
    }
    return true;
  }

  /** Time goes on from `nowMs`, which is earlier than before: timers set from now on may be due before those that wait. */
  rewind(nowMs: number): void {
    this.#cursor = Math.min(this.#cursor, Math.floor(nowMs / TICK_MS));
  }

  /** Time until the next timer may be due, at most `limitMs`; 0 when one is due already. */
  sleepMs(nowMs: number, limitMs: number): number {
    const ticks = Math.min(this.#mask, Math.ceil(limitMs / TICK_MS));
    for (let ahead = 0; ahead <= ticks; ahead++) {
      if (this.#heads[(this.#cursor + ahead) & this.#mask] !== NONE) {
        return Math.min(limitMs, Math.max(0, (this.#cursor + ahead) * TICK_MS - nowMs));
      }
    }
    return limitMs;
  }

  #fire(tick: number, onDue: (id: number) => void, keepOn: () => boolean): boolean {
    const due = this.#due;
    due.length = 0;
    for (let id = this.#heads[tick & this.#mask] as number; id !== NONE; id = this.#next[id] as number) {
      if ((this.#ticks[id] as number) <= tick) due.push(id);
    }
    this.#firing = 1;
    try {
      for (const id of due) {
        // An earlier timer of this tick may have unset or moved it.
        if (this.#ticks[id] === NONE || (this.#ticks[id] as number) > tick) continue;
        this.clear(id);
        onDue(id);
        if (!keepOn()) return false;
      }
      return true;
    } finally {
      this.#firing = 0;
    }
  }

  #link(id: number, tick: number): void {
    const bucket = tick & this.#mask;
    const head = this.#heads[bucket] as number;
    this.#next[id] = head;
    this.#previous[id] = NONE;
    if (head !== NONE) this.#previous[head] = id;
    this.#heads[bucket] = id;
    this.#ticks[id] = tick;
  }

  /** Moves the cursor by more than a turn; timers that were due on the way are due at the first tick after. */
  #jump(cursor: number): void {
    for (let id = 0; id < this.#ticks.length; id++) {
      const tick = this.#ticks[id] as number;
      if (tick === NONE || tick >= cursor) continue;
      this.clear(id);
      this.#link(id, cursor);
      this.#size++;
    }
    this.#cursor = cursor;
  }

  #grow(id: number): void {
    const capacity = Math.max(id + 1, this.#ticks.length * 2);
    const next = new Int32Array(capacity);
    const previous = new Int32Array(capacity);
    const ticks = new Float64Array(capacity).fill(NONE);
    next.set(this.#next);
    previous.set(this.#previous);
    ticks.set(this.#ticks);
    this.#next = next;
    this.#previous = previous;
    this.#ticks = ticks;
  }
}

export const TICK_MS = 1;
const NONE = -1;
const always = () => true;
