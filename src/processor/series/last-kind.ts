import { REASONS } from '../../messages/check-result.ts';

// Outcome, reason and status of the last result of a series as one number: id + 1 each, so that 0 is none.

export const OUTCOME_MASK = 7;
export const REASON_SHIFT = 3;
const REASON_BITS = 32 - Math.clz32(REASONS.length);
export const REASON_MASK = 2 ** REASON_BITS - 1;
export const STATUS_SHIFT = REASON_SHIFT + REASON_BITS;

/** Ids below 0 are none. */
export function packKind(outcome: number, reason: number, status: number): number {
  return outcome + 1 + ((reason + 1) << REASON_SHIFT) + ((status + 1) << STATUS_SHIFT);
}
