import type { ProbeResult } from '../monitors/monitor.ts';

/** What is known about the circumstances of one try. */
export interface Circumstances {
  /** How long it was allowed to take. */
  timeoutMs: number;
  /** It was allowed less than the job says, because it began late. */
  shortened: boolean;
  /** How long our own event loop was held up while it ran. */
  stalledMs: number;
}

/**
 * Whether a verdict is ours to give. A `timeout` or `latency` is only the site's fault when the site had its time: not
 * when the try was cut short by a late start, nor when our own event loop stood still for more than a tenth of it. Such a
 * try says nothing, and its slot is missed(late); nor does one that failed by a fault of our own, whose slot is
 * missed(internal). All other verdicts stand, whatever held us up.
 */
export function isFair(result: ProbeResult, { timeoutMs, shortened, stalledMs }: Circumstances): boolean {
  if (result.outcome === 'missed') return false;
  if (result.outcome === 'down' && result.reason === 'timeout') {
    return !shortened && stalledMs <= Math.max(50, timeoutMs * SHARE);
  }
  if (result.outcome === 'degraded' && result.reason === 'latency') {
    return stalledMs <= Math.max(20, (result.responseTime ?? 0) * 1000 * SHARE);
  }
  return true;
}

/** The text of a result, with a note when its response time contains a stall of our own that can be seen in it. */
export function detailOf(result: ProbeResult, stalledMs: number): string | undefined {
  if (stalledMs < NOTED_MS || result.responseTime === null) return result.detail;
  const note = `own event loop stalled ${Math.round(stalledMs)} ms`;
  return result.detail === undefined ? note : `${result.detail} (${note})`;
}

const SHARE = 0.1;
const NOTED_MS = 100;
