/** The result message, version 1: what a scheduler says about one slot (or a range of missed slots) of a series. */
export const RESULT_SCHEMA = 'vedette.check-result.v1';
export const RESULT_CONTENT_TYPE = 'application/x-ndjson';

export const OUTCOMES = ['up', 'degraded', 'down', 'missed'] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** Closed: texts of exceptions never become keys. Everything else goes to `detail`. */
export const REASONS = [
  'timeout',
  'dns',
  'connect',
  'tls',
  'protocol',
  'status',
  'body',
  'header',
  'latency',
  'redirect',
  'too_large',
  'forbidden_address',
  'silent',
  'overload',
  'late',
  'stalled',
  'stopped',
  'scheduler_down',
  'internal',
] as const;
export type Reason = (typeof REASONS)[number];

/** Seconds spent in each phase; a phase that did not happen is absent. */
export interface Timings {
  dns?: number;
  connect?: number;
  /** A full handshake. */
  tls?: number;
  /** An abbreviated one, which resumed the session of an earlier connection. */
  tls_resumed?: number;
  ttfb?: number;
  transfer?: number;
}

/** In the order of time, in which they are written. */
export const PHASES = ['dns', 'connect', 'tls', 'tls_resumed', 'ttfb', 'transfer'] as const satisfies ReadonlyArray<
  keyof Timings
>;

export interface CheckResult {
  jobId: number;
  location: string;
  /** Fencing number of the shard's owner; only ever grows. */
  epoch: number;
  /** The scheduled instant, ms since the epoch, UTC. In a range: its last slot. */
  slot: number;
  /**
   * Only in a `missed` range: how many slots end at `slot`, on a grid of `periodMs`. 0 is a fence: it counts nothing and
   * only raises the epoch (and slot) of the series.
   */
  slots?: number;
  /** Only with `slots`, wire name `period`: the distance of the range's slots in ms. A reader needs it to cut a range and to spread it over buckets. */
  periodMs?: number;
  /** When the check really began, ms since the epoch. */
  ts: number;
  outcome: Outcome;
  reason?: Reason;
  /** HTTP status or protocol code; null when there was no response. At most 32 characters. */
  status: string | null;
  /** Seconds, rounded to microseconds; null when there was no response. */
  responseTime: number | null;
  timings?: Timings;
  /** Body bytes received, before decoding. */
  bytes?: number;
  /** 1 for the first try of the slot. */
  attempt?: number;
  /** At most 200 characters, no NUL. */
  detail?: string;
  /** Further numbers, by name: MAX_VALUES at most, each within MAX_VALUE of 0; kept to the millionth. Not in a `missed` one. */
  values?: Readonly<Record<string, number>>;
  /** Present when a window of maintenance held at the slot. */
  maintenance?: true;
}

/** Of one result. */
export const MAX_VALUES = 16;
/** Names of values: lower snake_case, 40 characters at most. */
export const VALUE_NAME = /^[a-z][a-z0-9_]{0,39}$/;
/** Both ways. Its millionths are whole numbers below 2^53. */
export const MAX_VALUE = 1e9;
