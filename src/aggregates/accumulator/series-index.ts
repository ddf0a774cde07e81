/** Gives each series (a job at a location) a dense number, in the order they come. */
export class SeriesIndex {
  size = 0;
  jobIds = new Int32Array(LEAST_ROOM);
  /** By series; the numbers are the caller's. */
  locations = new Int32Array(LEAST_ROOM);
  /** Open addressing: series + 1, 0 where free. */
  #table = new Int32Array(2 * LEAST_ROOM);

  idOf(jobId: number, location: number): number {
    const table = this.#table;
    const mask = table.length - 1;
    let at = hashOf(jobId, location) & mask;
    for (let entry = table[at] as number; entry !== 0; entry = table[at] as number) {
      if (this.jobIds[entry - 1] === jobId && this.locations[entry - 1] === location) return entry - 1;
      at = (at + 1) & mask;
    }
    return this.#insert(jobId, location, at);
  }

  clear(): void {
    this.size = 0;
    this.#table = new Int32Array(2 * LEAST_ROOM);
  }

  #insert(jobId: number, location: number, at: number): number {
    const id = this.size++;
    if (id === this.jobIds.length) {
      this.jobIds = doubled(this.jobIds);
      this.locations = doubled(this.locations);
    }
    this.jobIds[id] = jobId;
    this.locations[id] = location;
    this.#table[at] = id + 1;
    if (this.size * 2 > this.#table.length) this.#rehash();
    return id;
  }

  #rehash(): void {
    const table = new Int32Array(this.#table.length * 2);
    const mask = table.length - 1;
    for (let id = 0; id < this.size; id++) {
      let at = hashOf(this.jobIds[id] as number, this.locations[id] as number) & mask;
      while (table[at] !== 0) at = (at + 1) & mask;
      table[at] = id + 1;
    }
    this.#table = table;
  }
}

function hashOf(jobId: number, location: number): number {
  const mixed = Math.imul(jobId, 0x9e3779b1) ^ Math.imul(location, 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}

/** The same numbers in an array of twice the length. */
export function doubled<T extends Int32Array | Float64Array>(old: T): T {
  const longer = new (old.constructor as new (length: number) => T)(old.length * 2);
  longer.set(old);
  return longer;
}

/** A power of two with room for `expected` entries: what is small at rest grows by doubling under load. */
export function roomFor(expected: number): number {
  return Math.max(LEAST_ROOM, 2 ** Math.ceil(Math.log2(Math.max(1, expected))));
}

const LEAST_ROOM = 64;
