import type { PackedValues } from './values.ts';

interface Granularity {
  readonly name: string;
  readonly durationMs: number;
}

export interface MetricKey {
  granularity: Granularity;
  jobId: number;
  location: string;
  /** ms since the epoch. */
  bucketMs: number;
}

/** A row as it was written. */
export interface WrittenRow {
  key: MetricKey;
  packed: PackedValues;
}

/** The rows of one granularity and instant, by location and job. */
interface Bucket {
  granularity: Granularity;
  bucketMs: number;
  rows: Map<string, Map<number, PackedValues>>;
  bytes: number;
  /** Number of the last write that touched it. */
  writtenIn: number;
}

/** A bucket is forgotten when so many writes had nothing for it: it is over. */
const IDLE_WRITES = 120;

/**
 * The rows of `metrics` as this process wrote them last. They may be out of date at any time: a write that is based on them
 * must check `writes`. Beyond `maxBytes` the buckets written longest ago go first, then the shortest: where jobs have periods of a
 * minute, a row of a minute is never written again, but those of its hour and its day are.
 */
export class MetricMemory {
  readonly #maxBytes: number;
  readonly #buckets = new Map<string, Map<number, Bucket>>();
  /** All buckets, the one written longest ago first. */
  readonly #order = new Set<Bucket>();
  /** Those that there were when the last write first lacked room; null: it did not. */
  #longestFirst: Bucket[] | null = null;
  #bytes = 0;
  #writes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes held, about. */
  get bytes(): number {
    return this.#bytes;
  }

  get({ granularity, location, jobId, bucketMs }: MetricKey): PackedValues | undefined {
    return this.#buckets.get(granularity.name)?.get(bucketMs)?.rows.get(location)?.get(jobId);
  }

  /** Takes over what was committed. */
  remember(rows: Iterable<WrittenRow>): void {
    this.#writes++;
    this.#longestFirst = null;
    for (const row of rows) this.#put(row);
    for (const bucket of this.#order) {
      if (bucket.writtenIn > this.#writes - IDLE_WRITES) break;
      this.#drop(bucket);
    }
  }

  clear(): void {
    this.#buckets.clear();
    this.#order.clear();
    this.#bytes = 0;
  }

  #put({ key: { granularity, bucketMs, location, jobId }, packed }: WrittenRow): void {
    const bucket = this.#touch(granularity, bucketMs);
    let rows = bucket.rows.get(location);
    if (!rows) {
      rows = new Map();
      bucket.rows.set(location, rows);
    }
    const before = rows.get(jobId);
    let growth = sizeOf(packed) - (before === undefined ? 0 : sizeOf(before));
    if (this.#makeRoom(growth, granularity.durationMs)) {
      rows.set(jobId, packed);
    } else {
      rows.delete(jobId);
      growth = before === undefined ? 0 : -sizeOf(before);
    }
    bucket.bytes += growth;
    this.#bytes += growth;
  }

  #touch(granularity: Granularity, bucketMs: number): Bucket {
    let buckets = this.#buckets.get(granularity.name);
    if (!buckets) {
      buckets = new Map();
      this.#buckets.set(granularity.name, buckets);
    }
    let bucket = buckets.get(bucketMs);
    if (!bucket) {
      bucket = { granularity, bucketMs, rows: new Map(), bytes: 0, writtenIn: 0 };
      buckets.set(bucketMs, bucket);
    }
    if (bucket.writtenIn !== this.#writes) {
      bucket.writtenIn = this.#writes;
      this.#order.delete(bucket);
      this.#order.add(bucket);
    }
    return bucket;
  }

  /** Makes room for a row of a bucket of this length, if there is any to be made. */
  #makeRoom(bytes: number, durationMs: number): boolean {
    for (const bucket of this.#order) {
      if (this.#bytes + bytes <= this.#maxBytes || bucket.writtenIn === this.#writes) break;
      this.#drop(bucket);
    }
    if (this.#bytes + bytes <= this.#maxBytes) return true;
    this.#longestFirst ??= [...this.#order].sort((a, b) => b.granularity.durationMs - a.granularity.durationMs);
    for (
      let last = this.#longestFirst.at(-1);
      last && last.granularity.durationMs < durationMs;
      last = this.#longestFirst.at(-1)
    ) {
      this.#drop(last);
      this.#longestFirst.pop();
      if (this.#bytes + bytes <= this.#maxBytes) return true;
    }
    return false;
  }

  #drop(bucket: Bucket): void {
    if (!this.#order.delete(bucket)) return;
    this.#buckets.get(bucket.granularity.name)?.delete(bucket.bucketMs);
    this.#bytes -= bucket.bytes;
  }
}

/** With its place in a Map. */
function sizeOf(packed: PackedValues): number {
  return 80 + packed.length;
}
