import { OUTCOMES, type Outcome, type Reason } from '../../../messages/check-result.ts';
import { outcomeOf, type ResultColumns, reasonOf, statusOf } from '../../../messages/result-columns.ts';
import { OTHER_STATUS } from '../../counting/named-statuses.ts';
import { OTHER_VALUE } from '../../counting/named-values.ts';

/** The last result of a series, as series_progress has it. Times in ms, the response time in microseconds. */
interface LastResult {
  lastTs: number;
  lastOutcome: Outcome;
  lastReason: Reason | null;
  lastStatus: string | null;
  lastRt: number | null;
  /** Where the run of this outcome began. */
  sinceSlot: number;
}

interface NamedTexts {
  statuses?: ReadonlySet<string> | undefined;
  values?: ReadonlySet<string> | undefined;
}

const IN_MAINTENANCE = { up: 'maintenanceUp', degraded: 'maintenanceDegraded', down: 'maintenanceDown' } as const;

/** One series of one topic, counted again result by result. */
export class ShadowSeries {
  readonly jobId: number;
  readonly location: string;
  readonly topic: string;
  /** Where its results came from; nearly always one. */
  readonly partitions = new Set<number>();
  epoch = -1;
  slot = -1;
  /** The last slot that was taken under each epoch. */
  readonly lastSlotOf = new Map<number, number>();
  foreign = 0;
  /** Slots counted, by outcome; foreign lines included. */
  readonly outcomes: Record<Outcome, number> = { up: 0, degraded: 0, down: 0, missed: 0 };
  /** Of these, those in maintenance. */
  readonly maintenance = { maintenanceUp: 0, maintenanceDegraded: 0, maintenanceDown: 0 };
  /** Names of values that came and are counted by name. */
  readonly valueNames = new Set<string>();
  /** Without a prototype: a status may be any text. */
  readonly statusCounts: Record<string, number> = Object.create(null);
  last: LastResult | null = null;
  /** Whether the log shows the result before the run of the last outcome. */
  sinceIsKnown = false;

  readonly #named: NamedTexts;

  /** `named`: the statuses and values that are counted by name; absent: all are. */
  constructor(jobId: number, location: string, topic: string, named: NamedTexts = {}) {
    this.#named = named;
    this.jobId = jobId;
    this.location = location;
    this.topic = topic;
  }

  get count(): number {
    return OUTCOMES.reduce((sum, outcome) => sum + this.outcomes[outcome], 0);
  }

  isNamed(status: string): boolean {
    return this.#named.statuses?.has(status) ?? true;
  }

  /** Gives values of a row that are not counted by name the name of all such. */
  renameValues(columns: ResultColumns, row: number): void {
    const { values } = this.#named;
    if (values !== undefined && columns.valueCount[row] !== 0) columns.renameValues(row, values, OTHER_VALUE);
  }

  /** Adds `slots` slots of a row, the first of them at `sinceMs`. */
  add(columns: ResultColumns, row: number, slots: number, sinceMs: number): void {
    const outcome = outcomeOf(columns, row);
    this.outcomes[outcome] += slots;
    if (columns.maintenance[row] === 1 && outcome !== 'missed') this.maintenance[IN_MAINTENANCE[outcome]] += slots;
    for (const [name] of columns.valuesOf(row)) {
      if (name !== OTHER_VALUE && (this.#named.values?.has(name) ?? true)) this.valueNames.add(name);
    }
    const status = statusOf(columns, row);
    const counted = status === null || this.isNamed(status) ? status : OTHER_STATUS;
    if (counted !== null) this.statusCounts[counted] = (this.statusCounts[counted] ?? 0) + slots;
    const reason = reasonOf(columns, row);
    // Says nothing about the site: the result before it stands.
    if (reason === 'stalled') return;
    const ts = columns.ts[row] as number;
    const rtMicros = columns.rtMicros[row] as number;
    // Foreign lines come in any order: an old one does not become the last result.
    if (columns.slot[row] === -1 && this.last && ts < this.last.lastTs) return;
    const isSame = this.last?.lastOutcome === outcome;
    if (this.last && !isSame) this.sinceIsKnown = true;
    this.last = {
      lastTs: ts,
      lastOutcome: outcome,
      lastReason: reason,
      lastStatus: status,
      lastRt: rtMicros < 0 ? null : rtMicros,
      sinceSlot: isSame && this.last ? this.last.sinceSlot : sinceMs,
    };
  }
}
