import { locationOf, outcomeOf, reasonOf, statusOf } from '../../../messages/result-columns.ts';
import { type ResultsStore, restOf, storedValues } from '../../counting/raw-results.ts';
import type { RecordLine } from '../../counting/record-line.ts';
import type { StoredResult } from '../stored-rows.ts';

const GROUP_MS = 3_600_000;

/** Raw results of one job and hour: how many, and the sum of their digests, which no order changes. */
interface Group {
  jobId: number;
  fromMs: number;
  stored: number;
  expected: number;
  /** Digests expected less digests stored, modulo 2^32 each: of the whole rows, and of their places in the record. */
  low: number;
  high: number;
  position: number;
  /** Rows of earlier versions do not know their place in the record. */
  hasPositions: boolean;
}

/** A job's hour of raw results that is not what the log says. */
export interface ResultsDifference {
  jobId: number;
  fromMs: number;
  stored: number;
  expected: number;
}

export interface ShadowResultsOptions {
  /** Half-open, both bounds of hours, ms since the epoch. */
  fromMs: number;
  toMs: number;
  store: ResultsStore;
}

/**
 * Raw results held against the log in memory that does not grow with their number: all columns of each go into a digest,
 * and the digests of a job's hour are summed on both sides.
 */
export class ShadowResults {
  readonly fromMs: number;
  readonly toMs: number;
  readonly #store: ResultsStore;
  readonly #groups = new Map<string, Group>();

  constructor({ fromMs, toMs, store }: ShadowResultsOptions) {
    this.fromMs = fromMs;
    this.toMs = toMs;
    this.#store = store;
  }

  /** A line that counts with `slots` slots. */
  expect({ topic, partition, record, columns, row, isPlain }: RecordLine, slots: number): void {
    const slot = columns.slot[row] as number;
    const atMs = slot < 0 ? (columns.ts[row] as number) : slot;
    const outcome = outcomeOf(columns, row);
    if (atMs < this.fromMs || atMs >= this.toMs || (this.#store === 'failures' && outcome === 'up')) return;
    const start = columns.lineStart[row] as number;
    const line = record.value.subarray(start, columns.lineEnd[row] as number);
    const { timings, attempt, detail } = isPlain && slot < 0 ? NO_REST : restOf(line);
    const jobId = columns.jobId[row] as number;
    const periodMs = columns.periodMs[row] as number;
    const group = this.#groupOf(jobId, atMs);
    group.expected++;
    this.#add(group, 1, {
      jobId,
      location: locationOf(columns, row),
      atMs,
      epoch: orNull(columns.epoch[row] as number),
      slot: orNull(slot),
      slots,
      periodMs: periodMs > 0 ? periodMs : null,
      ts: columns.ts[row] as number,
      outcome,
      reason: reasonOf(columns, row),
      status: statusOf(columns, row),
      rtMicros: orNull(columns.rtMicros[row] as number),
      timings: timings === null ? null : JSON.parse(timings),
      bytes: orNull(columns.bytes[row] as number),
      attempt,
      detail,
      values: storedValues(columns, row),
      maintenance: columns.maintenance[row] === 1,
      topic,
      partition,
      recordOffset: record.offset,
      recordPosition: start,
    });
  }

  /** A row that is stored. */
  see(row: StoredResult): void {
    const group = this.#groupOf(row.jobId, row.atMs);
    group.stored++;
    this.#add(group, -1, row);
  }

  /** The hours that differ, of those that begin at or after `fromMs(jobId)`. */
  *differences(fromMs: (jobId: number) => number): Generator<ResultsDifference> {
    for (const { jobId, fromMs: hour, stored, expected, low, high, position, hasPositions } of this.#groups.values()) {
      const isEqual = stored === expected && low === 0 && high === 0 && (position === 0 || !hasPositions);
      if (!isEqual && hour >= fromMs(jobId)) yield { jobId, fromMs: hour, stored, expected };
    }
  }

  #groupOf(jobId: number, atMs: number): Group {
    const fromMs = atMs - (atMs % GROUP_MS);
    const key = `${jobId} ${fromMs}`;
    let group = this.#groups.get(key);
    if (!group) {
      group = { jobId, fromMs, stored: 0, expected: 0, low: 0, high: 0, position: 0, hasPositions: true };
      this.#groups.set(key, group);
    }
    return group;
  }

  #add(group: Group, sign: 1 | -1, row: StoredResult): void {
    const text = textOf(row);
    const [low, high] = digest(text);
    group.low = (group.low + sign * low) | 0;
    group.high = (group.high + sign * high) | 0;
    if (row.recordPosition === null) group.hasPositions = false;
    else group.position = (group.position + sign * digest(`${text} ${row.recordPosition}`)[0]) | 0;
  }
}

const NO_REST = { timings: null, attempt: null, detail: null };

function orNull(value: number): number | null {
  return value < 0 ? null : value;
}

/** All columns but the place in the record, in one order; PostgreSQL keeps the keys of JSONB in an order of its own. */
function textOf(row: StoredResult): string {
  const [phases, values] = [row.timings, row.values].map(
    (object) => object && Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)),
  );
  return JSON.stringify([
    ...[row.jobId, row.location, row.atMs, row.epoch, row.slot, row.slots, row.periodMs, row.ts, row.outcome],
    ...[row.reason, row.status, row.rtMicros, phases, row.bytes, row.attempt, row.detail],
    ...[values, row.maintenance],
    ...[row.topic, row.partition, row.recordOffset],
  ]);
}

/** Two multiplicative hashes of 32 bits. */
function digest(text: string): [number, number] {
  let low = 0x811c9dc5;
  let high = 0x9747b28c;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    low = Math.imul(low ^ code, 0x01000193);
    high = Math.imul(high ^ code, 0x5bd1e995) ^ (high >>> 13);
  }
  return [Math.imul(low ^ (low >>> 15), 0x2c1b3c6d), Math.imul(high ^ (high >>> 16), 0x85ebca6b)];
}
