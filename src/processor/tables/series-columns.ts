import type { Outcome, Reason } from '../../messages/check-result.ts';

/** A column that is written for each series; `Value` is what it holds in memory. */
interface SeriesColumn<Value> {
  readonly name: string;
  readonly type: 'boolean' | 'integer' | 'bigint' | 'text' | 'jsonb';
  /** Never set: it only carries the type. */
  readonly value?: Value;
}

type Columns = Readonly<Record<string, SeriesColumn<unknown>>>;

/** One series, with a property for each column. */
export type SeriesRow<C extends Columns> = {
  [Key in keyof C]: C[Key] extends SeriesColumn<infer Value> ? Value : never;
};

/** Many series, with a list of equal length for each column. */
export type SeriesLists<C extends Columns> = {
  readonly [Key in keyof C]: C[Key] extends SeriesColumn<infer Value> ? readonly Value[] : never;
};

function column<Value>(name: string, type: SeriesColumn<Value>['type']): SeriesColumn<Value> {
  return { name, type };
}

export const KEY = {
  jobId: column<number>('job_id', 'integer'),
  location: column<string>('location', 'text'),
};

/** Of the last result. Times in ms since the epoch, the response time in microseconds. */
export const LAST_RESULT = {
  lastTs: column<number | null>('last_ts', 'bigint'),
  lastOutcome: column<Outcome | null>('last_outcome', 'text'),
  lastReason: column<Reason | null>('last_reason', 'text'),
  lastStatus: column<string | null>('last_status', 'text'),
  lastRt: column<number | null>('last_rt', 'bigint'),
  /** Where the run of the last outcome began. */
  sinceSlot: column<number | null>('since_slot', 'bigint'),
};

/** How far a series has been counted, and its last result. */
export const STATE = {
  epoch: column<number>('epoch', 'bigint'),
  slot: column<number>('slot', 'bigint'),
  ...LAST_RESULT,
};

/** Results by outcome, in the order of OUTCOMES. */
export const OUTCOME_TOTALS = {
  up: column<number>('up', 'bigint'),
  degraded: column<number>('degraded', 'bigint'),
  down: column<number>('down', 'bigint'),
  missed: column<number>('missed', 'bigint'),
} satisfies Record<Outcome, SeriesColumn<number>>;

/** Of up, degraded and down, those in maintenance. */
export const MAINTENANCE_TOTALS = {
  maintenanceUp: column<number>('maintenance_up', 'bigint'),
  maintenanceDegraded: column<number>('maintenance_degraded', 'bigint'),
  maintenanceDown: column<number>('maintenance_down', 'bigint'),
};

/** Everything that only grows by addition. */
export const TOTALS = { ...OUTCOME_TOTALS, ...MAINTENANCE_TOTALS };

/** The series before the change. */
export const BEFORE = {
  /** It had no row when it was read. */
  isNew: column<boolean>('is_new', 'boolean'),
  oldEpoch: column<number>('old_epoch', 'bigint'),
  oldSlot: column<number>('old_slot', 'bigint'),
  /** Results counted, and how many had which status, as JSON text. */
  oldCount: column<number>('old_count', 'bigint'),
  oldStatusCounts: column<string>('old_codes', 'jsonb'),
  /** Which statuses or values are named for the series mattered: its totals must still be the old ones. */
  isExact: column<boolean>('is_exact', 'boolean'),
  /** The names of its values, as JSON text; null where none has come. */
  newValueNames: column<string | null>('value_names', 'jsonb'),
};

/** The growth of the totals. */
export const ADDED = {
  ...TOTALS,
  /** Status counters to add, as JSON text, and the sums of these and the old ones. */
  statusCounts: column<string>('codes', 'jsonb'),
  newStatusCounts: column<string>('all_codes', 'jsonb'),
};

export function namesOf(columns: Columns): string[] {
  return Object.values(columns).map(({ name }) => name);
}

/** For a SELECT: each column under the name of its property. */
export function selectionOf(columns: Columns, table: string): string {
  return Object.entries(columns)
    .map(([property, { name }]) => `${table}.${name} AS "${property}"`)
    .join(', ');
}

/** Row `row` of lists as an object with the properties of `columns`. */
export function rowOf<C extends Columns>(columns: C, lists: SeriesLists<C>, row: number): SeriesRow<C> {
  const entries = Object.keys(columns).map((key) => [key, lists[key]?.[row]]);
  return Object.fromEntries(entries) as SeriesRow<C>;
}
