import { OUTCOMES } from '../messages/check-result.ts';

/** Results by outcome. */
export interface OutcomeTally {
  up: number;
  degraded: number;
  down: number;
  missed: number;
}

/** Of up, degraded and down, those that came in maintenance. */
export interface MaintenanceTally {
  maintenanceUp: number;
  maintenanceDegraded: number;
  maintenanceDown: number;
}

/** The same with their sum. */
export interface OutcomeCounts extends OutcomeTally {
  count: number;
}

/** Results of slots: those of locations that the job was scheduled at. Foreign lines of other locations have no slot. */
export interface SlotTally {
  slotsKnown: number;
  slotsMissed: number;
}

export interface Coverage {
  /** Slots that were due up to now. */
  due: number;
  /** Results that were counted, missed slots and foreign lines among them. */
  counted: number;
  /** Counted slots / due: how much is accounted for; null when nothing was due. */
  coverage: number | null;
  /** Checked slots / due: about how much something is known; null when nothing was due. */
  known: number | null;
}

/** Results that tell the state of the target; a missed slot tells nothing about it. */
const countKnown = ({ up, degraded, down }: OutcomeTally): number => up + degraded + down;

/**
 * The one definition of both shares: a missed slot is accounted for, but nothing is known of it. Neither exceeds 1: a slot
 * may be counted between the read of the spans and that of the counters.
 */
export function toCoverage(due: number, tally: OutcomeTally & SlotTally): Coverage {
  const share = (part: number) => (due === 0 ? null : Math.min(1, part / due));
  return {
    due,
    counted: countKnown(tally) + tally.missed,
    coverage: share(tally.slotsKnown + tally.slotsMissed),
    known: share(tally.slotsKnown),
  };
}

/**
 * (up + degraded) / (up + degraded + down), all without those in maintenance; null without any of them. Missed slots are no
 * downtime.
 */
export function uptimeOf(tally: OutcomeTally & Partial<MaintenanceTally>): number | null {
  const { maintenanceUp = 0, maintenanceDegraded = 0, maintenanceDown = 0 } = tally;
  const good = tally.up + tally.degraded - maintenanceUp - maintenanceDegraded;
  const known = good + tally.down - maintenanceDown;
  return known === 0 ? null : good / known;
}

/** The sums of a `MaintenanceTally` over rows of `metrics`. */
export const maintenanceTallySql = `
  coalesce(sum(maintenance_up), 0)::bigint AS "maintenanceUp",
  coalesce(sum(maintenance_degraded), 0)::bigint AS "maintenanceDegraded",
  coalesce(sum(maintenance_down), 0)::bigint AS "maintenanceDown"`;

const TALLIED = [...OUTCOMES, 'slotsKnown', 'slotsMissed'] as const;
const IN_MAINTENANCE = ['maintenanceUp', 'maintenanceDegraded', 'maintenanceDown'] as const;

export function sumTallies(
  tallies: ReadonlyArray<OutcomeTally & SlotTally & Partial<MaintenanceTally>>,
): OutcomeTally & SlotTally & MaintenanceTally {
  const sum = { up: 0, degraded: 0, down: 0, missed: 0, slotsKnown: 0, slotsMissed: 0, ...NO_MAINTENANCE };
  for (const tally of tallies) {
    for (const name of TALLIED) sum[name] += tally[name];
    for (const name of IN_MAINTENANCE) sum[name] += tally[name] ?? 0;
  }
  return sum;
}

export const NO_MAINTENANCE: Readonly<MaintenanceTally> = {
  ...{ maintenanceUp: 0, maintenanceDegraded: 0, maintenanceDown: 0 },
};
