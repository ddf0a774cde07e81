import { OUTCOMES } from '../messages/check-result.ts';

/** Results by outcome. */
export interface OutcomeTally {
  up: number;
  degraded: number;
  down: number;
  missed: number;
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

/** (up + degraded) / (up + degraded + down); null without any of them. Missed slots are no downtime. */
export function uptimeOf(tally: OutcomeTally): number | null {
  const known = countKnown(tally);
  return known === 0 ? null : (tally.up + tally.degraded) / known;
}

const TALLIED = [...OUTCOMES, 'slotsKnown', 'slotsMissed'] as const;

export function sumTallies(tallies: ReadonlyArray<OutcomeTally & SlotTally>): OutcomeTally & SlotTally {
  const sum = { up: 0, degraded: 0, down: 0, missed: 0, slotsKnown: 0, slotsMissed: 0 };
  for (const tally of tallies) for (const name of TALLIED) sum[name] += tally[name];
  return sum;
}
