import type { MetricValues } from './values.ts';

export interface MetricKey {
  granularity: string;
  jobId: number;
  location: string;
  /** ms since the epoch. */
  bucketMs: number;
}

/** A row, whole. */
export interface WholeRow extends MetricKey {
  values: MetricValues;
}

/** The rows of one granularity and instant, by location and job. */
interface Bucket {
  granularity: string;
  bucketMs: number;
  rows: Map<string, Map<number, MetricValues>>;
  bytes: number;
  /** Number of the last write that touched it. */
  writtenIn: number;
}

/** A bucket is forgotten when so many writes had nothing for it: it is over. */
const IDLE_WRITES = 120;

/**
 * The rows of `metrics` as this process wrote them last. They may be out of date at any time: a write that is based on them
 * must check `writes`. Beyond `maxBytes` the buckets written longest ago go first.
 */
export class MetricMemory {
  readonly #maxBytes: number;
  readonly #buckets = new Map<string, Map<number, Bucket>>();
  /** All buckets, the one written longest ago first. */
  readonly #order = new Set<Bucket>();
  #bytes = 0;
  #writes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes held, about. */
  get bytes(): number {
    return this.#bytes;
  }

  get({ granularity, location, jobId, bucketMs }: MetricKey): MetricValues | undefined {
    return this.#buckets.get(granularity)?.get(bucketMs)?.rows.get(location)?.get(jobId);
  }

  /** Takes over what was committed. */
  remember(rows: readonly WholeRow[]): void {
    this.#writes++;
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

  #put({ granularity, bucketMs, location, jobId, values }: WholeRow): void {
    const bucket = this.#touch(granularity, bucketMs);
    let rows = bucket.rows.get(location);
    if (!rows) {
      rows = new Map();
      bucket.rows.set(location, rows);
    }
    const before = rows.get(jobId);
    let growth = sizeOf(values) - (before ? sizeOf(before) : 0);
    if (this.#makeRoom(growth)) {
      rows.set(jobId, values);
    } else {
      rows.delete(jobId);
      growth = before ? -sizeOf(before) : 0;
    }
    bucket.bytes += growth;
    this.#bytes += growth;
  }

  #touch(granularity: string, bucketMs: number): Bucket {
    let buckets = this.#buckets.get(granularity);
    if (!buckets) {
      buckets = new Map();
      this.#buckets.set(granularity, buckets);
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

  #makeRoom(bytes: number): boolean {
    for (const bucket of this.#order) {
      if (this.#bytes + bytes <= this.#maxBytes || bucket.writtenIn === this.#writes) break;
      this.#drop(bucket);
    }
    return this.#bytes + bytes <= this.#maxBytes;
  }

  #drop(bucket: Bucket): void {
    this.#order.delete(bucket);
    this.#buckets.get(bucket.granularity)?.delete(bucket.bucketMs);
    this.#bytes -= bucket.bytes;
  }
}

/** Of an object of few fields in a Map, its lists, and its texts. */
function sizeOf({ numbers, bins, counters, extra }: MetricValues): number {
  let bytes = 240 + 8 * numbers.length + counters.length + extra.length;
  for (const text of bins) bytes += 8 + text.length;
  return bytes;
}
