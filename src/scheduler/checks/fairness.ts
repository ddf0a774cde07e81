import type { ProbeResult } from '../../monitors/monitor.ts';

/** The conditions under which one attempt ran. */
export interface AttemptConditions {
  /** Its time limit. */
  timeoutMs: number;
  /** Its time limit was shorter than the job's, because it began late. */
  shortened: boolean;
  /** How long our own event loop was held up while it ran. */
  stalledMs: number;
}

/**
 * Whether the result of an attempt may be held against the site. A `timeout` or `latency` is only the site's fault when
 * the site had its time: not when the attempt was cut short by a late start, nor when our own event loop stood still for
 * more than a tenth of it. Such an attempt proves nothing, and its slot is missed(late); one that failed by a fault of our
 * own is missed(internal). All other results count in spite of stalls.
 */
export function isFair(result: ProbeResult, { timeoutMs, shortened, stalledMs }: AttemptConditions): boolean {
  if (result.outcome === 'missed') return false;
  if (result.outcome === 'down' && result.reason === 'timeout') {
    return !shortened && stalledMs <= Math.max(50, timeoutMs * SHARE);
  }
  if (result.outcome === 'degraded' && result.reason === 'latency') {
    return stalledMs <= Math.max(20, (result.responseTime ?? 0) * 1000 * SHARE);
  }
  return true;
}

/** The detail of a result, with a note when its response time contains a noticeable stall of our own event loop. */
export function detailOf(result: ProbeResult, stalledMs: number): string | undefined {
  if (stalledMs < NOTED_MS || result.responseTime === null) return result.detail;
  const note = `own event loop stalled ${Math.round(stalledMs)} ms`;
  return result.detail === undefined ? note : `${result.detail} (${note})`;
}

const SHARE = 0.1;
const NOTED_MS = 100;
