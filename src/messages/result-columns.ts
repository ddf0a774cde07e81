import { OUTCOMES, type Outcome, REASONS, type Reason } from './check-result.ts';

/**
 * Decoded results as columns: what counting needs, in typed arrays, without an object per result. The raw line stays
 * reachable (`lineStart`, `lineEnd` into the record's value) for readers that store or show everything.
 */
export interface ResultColumns {
  /** Rows in use; the arrays may be longer. */
  readonly length: number;
  readonly jobId: Int32Array;
  /** Index into `locations`; good until the next reset, then both may be new. */
  readonly location: Int32Array;
  readonly locations: readonly string[];
  /** -1 in a foreign line, which has no slot and is deduplicated by offset only. */
  readonly epoch: Float64Array;
  /** ms since the epoch; -1 in a foreign line. */
  readonly slot: Float64Array;
  /** 1 for a single result; n >= 0 for a `missed` range that ends at `slot`. */
  readonly slots: Int32Array;
  /** ms between the slots of a range; 0 for a single result. */
  readonly periodMs: Float64Array;
  /** ms since the epoch. */
  readonly ts: Float64Array;
  /** Index into OUTCOMES. */
  readonly outcome: Uint8Array;
  /** Index into REASONS; 255 when absent. */
  readonly reason: Uint8Array;
  /** Index into `statuses`, -1 when there was no response; good until the next reset. */
  readonly status: Int32Array;
  readonly statuses: readonly string[];
  /** Microseconds; -1 when there was no response. */
  readonly rtMicros: Float64Array;
  /** -1 when absent. */
  readonly bytes: Float64Array;
  /** Microseconds of each phase, in the order of PHASES, for each row in turn, -1 when absent; null unless the decoder keeps them. */
  readonly timings: Float64Array | null;
  /** The offset of the record that each row came in, as the reader was told; null unless the decoder keeps them. */
  readonly offsets: Float64Array | null;
  /** How many values a row has. */
  readonly valueCount: Uint8Array;
  /** 1 when the row is of a time of maintenance, else 0. */
  readonly maintenance: Uint8Array;
  readonly lineStart: Int32Array;
  readonly lineEnd: Int32Array;
  /** A value of a row in millionths, rounded half away from zero; null when it has none of this name. */
  valueOf(row: number, name: string): number | null;
  /** All values of a row in millionths, in the order of the line. */
  valuesOf(row: number): ReadonlyArray<readonly [name: string, micros: number]>;
  /** Whether any row has values. */
  readonly hasValues: boolean;
  /** The name of value number `at` of a row, in the order of the line. */
  valueNameAt(row: number, at: number): string;
  /** Gives every value of a row whose name is not among `names` the name `other`. */
  renameValues(row: number, names: ReadonlySet<string>, other: string): void;
  /** The index of a text into `statuses`, where it is put if need be. */
  statusIndex(text: string): number;
}

/** The location of a row. */
export function locationOf({ location, locations }: ResultColumns, row: number): string {
  return locations[location[row] as number] as string;
}

/** The outcome of a row. */
export function outcomeOf({ outcome }: ResultColumns, row: number): Outcome {
  return OUTCOMES[outcome[row] as number] as Outcome;
}

/** The reason of a row; null when absent. */
export function reasonOf({ reason }: ResultColumns, row: number): Reason | null {
  return reason[row] === NO_REASON ? null : (REASONS[reason[row] as number] as Reason);
}

/** The status of a row; null when there was no response. */
export function statusOf({ status, statuses }: ResultColumns, row: number): string | null {
  return status[row] === NO_STATUS ? null : (statuses[status[row] as number] as string);
}

export const NO_REASON = 255;
export const NO_STATUS = -1;
