import { ProbeFailure } from '../../failure.ts';
import type { TimeLimit } from '../time-limit.ts';

/**
 * Returns why a response was too slow, for people; null if it was not. Throws a ProbeFailure (`stalled`) if a stall of our
 * own event loop leaves that undecided. `slowSeconds` null: no response is too slow.
 */
export function latencyWarning(responseTime: number, slowSeconds: number | null, limit: TimeLimit): string | null {
  if (slowSeconds === null) return null;
  if (isUndecided(responseTime - slowSeconds, limit)) {
    const text = `answered after ${responseTime} s, give or take ${Math.ceil(limit.doubtMs)} ms for which we did not look`;
    throw new ProbeFailure('stalled', text);
  }
  return responseTime > slowSeconds ? `answered after ${responseTime} s, accepted: up to ${slowSeconds} s` : null;
}

/** Whether a stall of our own event loop decides on which side of a limit the response time lies. */
function isUndecided(overSeconds: number, { doubtMs }: TimeLimit): boolean {
  return doubtMs >= MIN_DOUBT_MS && Math.abs(overSeconds) * 1000 <= doubtMs;
}

/** A smaller error is within what a limit means. */
const MIN_DOUBT_MS = 1;
