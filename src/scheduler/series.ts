import type { Job } from '../jobs/definition.ts';
import type { CheckResult } from '../messages/check-result.ts';
import type { Probe } from '../monitors/monitor.ts';
import type { CheckRun } from './checks/check-run.ts';
import type { Receipt } from './publishing/partition-queue.ts';
import type { Schedule } from './slots.ts';
import type { OpenSpan } from './tables/spans.ts';

/** A shard this scheduler owns, or owned. */
export interface Shard {
  readonly number: number;
  readonly epoch: number;
  /** `adopting` until the last owner's open spans are taken over; `draining` while it is handed over; `gone` for good. */
  state: 'adopting' | 'active' | 'draining' | 'gone';
  /** Progress as the last owner left it; it stands until the open spans are taken over. */
  readonly inherited: number | null;
  /** The latest instant that may be stored as its progress; later than now when time was put back. */
  stored: number;
  adopted: boolean;
  /** Slots up to this instant are past, even if this machine's clock is behind: the real time since then is known. */
  readonly pastUntil: number;
  /** The last owner released it in order. */
  readonly clean: boolean;
  /** Monotonic time until which the lease cannot have run out. */
  validUntilMono: number;
  /** No slot after this instant of the timeline belongs to this scheduler. */
  frozenAt: number | null;
  readonly series: Set<Series>;
}

/** Of a job that is not checked: its program reports. */
export interface Reported {
  graceMs: number;
  /** Slots so far back may be open; the shard's progress does not wait for them, and its next owner looks at them again. */
  lookBackMs: number;
}

/** Missed slots that are not published yet. */
export interface MissedSlots {
  first: number;
  last: number;
  count: number;
  reason: MissedReason;
  /** Short text for people. */
  detail?: string | undefined;
}

export const MISSED_REASONS = ['overload', 'late', 'stalled', 'stopped', 'scheduler_down', 'internal'] as const;
export type MissedReason = (typeof MISSED_REASONS)[number];

/**
 * One job at this location during one span: its next slot, the check under way, its progress in the log. Slots are
 * handled strictly in order: each becomes one published result, or part of one missed range.
 */
export class Series implements Receipt {
  /** Number of its timer. */
  readonly id: number;
  readonly jobId: number;
  readonly shard: Shard;
  readonly span: OpenSpan;
  readonly schedule: Schedule;
  /** The definition of the span's version; null when it is not known (any more), then nothing can be checked. */
  job: Job | null;
  /** Takes no new slots: it is being opened, changed, stopped or handed over. */
  held = true;
  /** The slot that is handled next. */
  next: number;
  /** The last slot that was handled; before the first one, `span.fromSlot - 1`. */
  handled: number;
  /** The first slot that is not known to be in the log. */
  firstUnacked: number;
  /** Waits for room to check slot `next`. */
  waiting = false;
  /** The check of slot `next`. */
  run: CheckRun | null = null;
  /** A check that was given up but has not ended yet. */
  stuck = false;
  /** Slots that were handled and are not published yet, in order: they wait for their turn, or for room in the publisher. */
  readonly pending: Array<MissedSlots | CheckResult> = [];
  /** Whether a message of this epoch has to reach the log, so that results of an earlier one are dropped. */
  fence: 'none' | 'needed' | 'sent' = 'none';
  /** Slots up to this instant passed while no scheduler could check them. */
  gapUntil = Number.NEGATIVE_INFINITY;
  /** Slots that passed before the span ends are missed: a predecessor may have gone on checking them. */
  closeGap = false;
  /** A statement about its span is under way. */
  changing = false;
  probe: Probe | null = null;
  host: string | null = null;
  defectLogged = false;
  /** null: its slots are checked. */
  reported: Reported | null;

  /** `doneUntil`: every slot up to this instant is in the log, except those that may be open of a job that is reported. */
  constructor(
    id: number,
    shard: Shard,
    span: OpenSpan,
    schedule: Schedule,
    { job, reported }: { job: Job | null; reported: Reported | null },
    doneUntil: number,
  ) {
    this.id = id;
    this.jobId = span.jobId;
    this.shard = shard;
    this.span = span;
    this.schedule = schedule;
    this.job = job;
    this.reported = reported;
    this.handled = schedule.last(span.fromSlot, doneUntil - (reported?.lookBackMs ?? 0)) ?? span.fromSlot - 1;
    this.next = schedule.next(this.handled);
    this.firstUnacked = this.next;
  }

  /** Slot `next` is handled. */
  advance(): void {
    this.handled = this.next;
    this.next = this.schedule.next(this.next);
  }

  acknowledged(slot: number): void {
    this.fence = 'none';
    if (slot >= this.firstUnacked) this.firstUnacked = this.schedule.next(slot);
    if (this.held) this.onQuiet?.(this);
    else this.closeGap = false;
  }

  /** Called when a receipt or a finished check leaves the held series perhaps quiet. */
  onQuiet: ((series: Series) => void) | null = null;

  /** Nothing is under way: every slot that was handled is in the log. */
  get quiet(): boolean {
    return (
      this.run === null &&
      !this.waiting &&
      this.pending.length === 0 &&
      this.fence === 'none' &&
      this.firstUnacked > this.handled
    );
  }
}

/** Every slot up to this instant is in the log; `now` is the timeline's. */
export function progressOf(shard: Shard, now: number): number | null {
  if (!shard.adopted) return shard.inherited;
  let progress = Math.floor(shard.frozenAt ?? now);
  for (const { firstUnacked, reported } of shard.series) {
    const done = firstUnacked - 1 + (reported?.lookBackMs ?? 0);
    if (done < progress) progress = done;
  }
  return progress;
}
