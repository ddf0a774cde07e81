import type { Probe, ProbeRequest, ProbeResult } from './monitor.ts';

/**
 * Performs a try that has waited for its thread, or for what it needs. Its end stays where it was: the waiting is taken from what the try may take
 * for delays of our own, and then from the time of the site, whose time-out is no verdict any more.
 */
export async function tryAfter(
  waitedMs: number,
  probe: Probe,
  request: ProbeRequest,
  waitedFor = 'its thread',
): Promise<ProbeResult> {
  const { timeoutMs, graceMs = Number.POSITIVE_INFINITY } = request;
  const lackingMs = Math.max(0, waitedMs - graceMs);
  const leftMs = timeoutMs - lackingMs;
  if (leftMs < 1) return stalled(waitedMs, waitedFor);
  const left = { ...request, timeoutMs: leftMs, graceMs: Math.max(0, graceMs - waitedMs) };
  const result = await probe(left);
  const isCutShort = lackingMs > Math.max(MIN_LACK_MS, timeoutMs * LACK_SHARE) && result.reason === 'timeout';
  return isCutShort ? stalled(waitedMs, waitedFor) : result;
}

function stalled(waitedMs: number, waitedFor: string): ProbeResult {
  return {
    outcome: 'missed',
    reason: 'stalled',
    status: null,
    responseTime: null,
    timings: {},
    detail: `it waited ${Math.ceil(waitedMs)} ms for ${waitedFor}`,
  };
}

/** As for other delays of our own (monitors/net/time-limit.ts). */
const MIN_LACK_MS = 5;
const LACK_SHARE = 0.01;
