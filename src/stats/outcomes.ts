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

export interface Coverage {
  /** Slots that were due up to now. */
  due: number;
  /** Results that were counted, missed slots among them. */
  counted: number;
  /** counted / due: how much is accounted for; null when nothing was due. */
  coverage: number | null;
  /** (up + degraded + down) / due: about how much something is known; null when nothing was due. */
  known: number | null;
}

/** Results that tell the state of the target; a missed slot tells nothing about it. */
const countKnown = ({ up, degraded, down }: OutcomeTally): number => up + degraded + down;

/**
 * The one definition of both shares: a missed slot is accounted for, but nothing is known of it. Neither exceeds 1: a slot
 * may be counted between the read of the spans and that of the counters.
 */
export function toCoverage(due: number, tally: OutcomeTally): Coverage {
  const known = countKnown(tally);
  const counted = known + tally.missed;
  const share = (part: number) => (due === 0 ? null : Math.min(1, part / due));
  return { due, counted, coverage: share(counted), known: share(known) };
}

/** (up + degraded) / (up + degraded + down); null without any of them. Missed slots are no downtime. */
export function uptimeOf(tally: OutcomeTally): number | null {
  const known = countKnown(tally);
  return known === 0 ? null : (tally.up + tally.degraded) / known;
}

export function sumTallies(tallies: readonly OutcomeTally[]): OutcomeTally {
  const sum = { up: 0, degraded: 0, down: 0, missed: 0 };
  for (const tally of tallies) for (const outcome of OUTCOMES) sum[outcome] += tally[outcome];
  return sum;
}
