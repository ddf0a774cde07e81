import type { SlotResult } from '../checks/check-run.ts';
import type { FoundReport, Report } from './report-port.ts';

/** The slot that is to be closed, ms since the epoch. */
export interface OpenSlot {
  slot: number;
  /** Infinity: there is none. */
  nextSlot: number;
  graceMs: number;
}

export interface Knowledge {
  /** What was received at or after the slot. */
  found: FoundReport;
  /** Every report that was received before is known, unless it waits for the database. */
  nowMs: number;
  /** From then on no report waits any more that was received before. */
  nothingWaitsMs: number;
  /** Until then it was perhaps not possible to report. */
  deafUntilMs: number;
}

/**
 * How a slot ends. `wait`: it is open until then, unless a report comes. `missed`: nobody reported, but perhaps because
 * nobody could.
 */
export type Verdict = { kind: 'result'; result: SlotResult } | { kind: 'missed' } | { kind: 'wait'; untilMs: number };

/** Decides by the first report since the slot; further ones before the next slot are repetitions. */
export function judgeSlot(open: OpenSlot, { found, nowMs, nothingWaitsMs, deafUntilMs }: Knowledge): Verdict {
  const deadline = deadlineOf(open);
  const { report, begunMs } = found;
  if (report !== null && report.receivedMs < deadline) return { kind: 'result', result: reported(report, begunMs) };
  const closedMs = Math.max(deadline + NOTICED_MS, nothingWaitsMs);
  if (nowMs < closedMs) return { kind: 'wait', untilMs: nowMs < deadline ? deadline : closedMs };
  const heardMs = Math.min(deadline - open.slot, HEARD_MS);
  if (deafUntilMs > deadline - heardMs) return { kind: 'missed' };
  return { kind: 'result', result: silent(open, deadline, begunMs) };
}

/** The instant from which on a report is not in time. */
function deadlineOf({ slot, nextSlot, graceMs }: OpenSlot): number {
  return Math.min(slot + graceMs, nextSlot);
}

function reported({ receivedMs, kind, message, duration, values }: Report, begunMs: number | null): SlotResult {
  const measured = begunMs === null ? null : Math.max(0, receivedMs - begunMs) / 1000;
  return {
    outcome: kind,
    reason: kind === 'up' ? undefined : 'status',
    status: kind,
    responseTime: duration ?? measured,
    timings: {},
    bytes: undefined,
    detail: message ?? undefined,
    values: values ?? undefined,
    ts: receivedMs,
    attempt: 1,
  };
}

function silent({ slot }: OpenSlot, deadline: number, begunMs: number | null): SlotResult {
  const hasBegun = begunMs !== null && begunMs < deadline;
  const forSeconds = Math.round((deadline - slot) / 100) / 10;
  return {
    outcome: 'down',
    reason: 'silent',
    status: null,
    responseTime: null,
    timings: {},
    bytes: undefined,
    detail: hasBegun
      ? `begun at ${new Date(begunMs).toISOString()}, and no report of its end`
      : `no report within ${forSeconds} s`,
    values: undefined,
    ts: deadline,
    attempt: 1,
  };
}

/** Until an absence of the database that is over is noticed. One that goes on is, by who reads at the deadline. */
const NOTICED_MS = 3_000;
/** Somebody who could report all this time before the deadline, and did not, is silent; in a shorter slot all of it. */
const HEARD_MS = 600_000;
