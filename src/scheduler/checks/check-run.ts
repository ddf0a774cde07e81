import type { Clock } from '../../core/clock.ts';
import type { Probe, ProbeResult } from '../../monitors/monitor.ts';
import { Stop } from './stop.ts';

/** A fair result of a slot, ready to be published. */
export interface SlotResult extends Pick<ProbeResult, 'outcome' | 'status' | 'responseTime' | 'timings'> {
  reason: ProbeResult['reason'];
  bytes: ProbeResult['bytes'];
  detail: ProbeResult['detail'];
  values: ProbeResult['values'];
  /** Actual start of the attempt that gave it, ms since the epoch. */
  ts: number;
  attempt: number;
}

export interface CheckRunOptions {
  probe: Probe;
  slotTag: string;
  timeoutMs: number;
  retries: number;
  /** Between two attempts; null: a short one, shorter where time is short. */
  retryPauseMs: number | null;
  /** The last instant for everything, in the timeline's time. */
  deadline: number;
  clock: Clock;
  /** The timeline's time. */
  now: () => number;
  /** Total time, in ms, for which the event loop was held up so far. */
  stalledMs: () => number;
  /**
   * The end: a result, or why no attempt gave one (we were late, or have a fault), perhaps with a text for people. Called
   * once, unless aborted.
   */
  onConcluded: (result: SlotResult | Lack, detail?: string) => void;
  /** The probe threw, against its contract, or reports that it could not check. */
  onDefect: (error: unknown) => void;
  /** No attempt is under way any more. Called once, however the check ended. */
  onSettled: () => void;
}

/** Why no attempt says anything about the target: it began too late, our event loop was held up, or a probe is defective. */
export type Lack = 'late' | 'stalled' | 'internal';

/** A probe says that it could not check. It has the message of the result, and no stack. */
export class Uncheckable extends Error {
  override readonly name = 'Uncheckable';
}

/** The conditions under which an attempt runs. */
interface AttemptConditions {
  timeoutMs: number;
  /** Its time limit is shorter than the job's, because it began late. */
  isShortened: boolean;
  /** How long the event loop had been held up before, in ms. */
  stalledMs: number;
}

/** The check of one slot: attempts until one succeeds, attempts or time are used up, or it is aborted. */
export class CheckRun {
  readonly #options: CheckRunOptions;
  readonly #stop = new Stop();
  #attempt = 0;
  #underWay = false;
  #concluded = false;
  #settled = false;
  /** Whether results that came during a stall have been read. */
  #looked = false;
  #cancelPause = () => {};
  /** When the pause before the next try ends, in the timeline's time; null: none is under way. */
  pausedUntil: number | null = null;
  /** The fair result of an earlier attempt. */
  #found: SlotResult | null = null;
  /** Why there is no result, if there is none. */
  #lack: Lack = 'late';
  #lackDetail: string | undefined;
  #startedMono = 0;
  #conditions: AttemptConditions = { timeoutMs: 0, isShortened: false, stalledMs: 0 };

  constructor(options: CheckRunOptions) {
    this.#options = options;
  }

  begin(): void {
    const { clock, deadline, now, probe, slotTag, stalledMs } = this.#options;
    const ts = now();
    const timeoutMs = Math.max(1, Math.min(this.#options.timeoutMs, Math.floor(deadline - ts)));
    this.#attempt++;
    this.#underWay = true;
    this.#startedMono = clock.monotonicMs();
    const isShortened = timeoutMs < Math.floor(this.#options.timeoutMs);
    this.#conditions = { timeoutMs, isShortened, stalledMs: stalledMs() };
    let answer: Promise<ProbeResult>;
    try {
      answer = probe({
        timeoutMs,
        graceMs: Math.max(0, deadline - ts - timeoutMs),
        slotTag,
        signal: this.#stop,
      });
    } catch (error) {
      answer = Promise.reject(error);
    }
    const startedAt = Math.floor(ts);
    answer.then(
      (result) => this.#answered(result, startedAt),
      (error: unknown) => {
        if (!this.#concluded) this.#options.onDefect(error);
        this.#answered(DEFECT, startedAt);
      },
    );
  }

  /** The slot's time is over and the probe, against its contract, has not ended. */
  expire(): void {
    if (this.#concluded) return;
    const { timeoutMs, isShortened } = this.#conditions;
    const ranMs = this.#options.clock.monotonicMs() - this.#startedMono;
    const stalledMs = this.#options.stalledMs() - this.#conditions.stalledMs;
    const isStalled = stalledMs > Math.max(50, timeoutMs / 10);
    if (this.#underWay && isStalled && !this.#looked) {
      // A probe on another thread was not held up: its result may have come meanwhile.
      this.#looked = true;
      this.#options.clock.after(1, () => this.expire());
      return;
    }
    // A jump of the timeline or a stall of our own is no defect of the probe.
    if (!this.#underWay || isShortened || ranMs < timeoutMs || isStalled) {
      if (isStalled && !isShortened) this.#lack = 'stalled';
      this.#conclude();
      return;
    }
    this.#options.onDefect(new Error('The probe did not end in its time'));
    this.#lack = 'internal';
    this.#conclude();
  }

  /** Ends it without a result. */
  abort(): void {
    if (this.#concluded) return;
    this.#end();
    this.#settle();
  }

  #end(): void {
    this.#concluded = true;
    this.#cancelPause();
    this.pausedUntil = null;
    if (this.#underWay) this.#stop.abort();
  }

  /** Ends it with the last fair result. */
  #conclude(): void {
    this.#end();
    const detail = this.#lack === 'internal' ? this.#lackDetail : undefined;
    this.#options.onConcluded(this.#found ?? this.#lack, detail);
    this.#settle();
  }

  #answered(result: ProbeResult, ts: number): void {
    this.#underWay = false;
    if (this.#concluded) {
      this.#settle();
      return;
    }
    if (result.outcome === 'missed') {
      this.#lack = result.reason === 'stalled' ? 'stalled' : 'internal';
      this.#lackDetail = result.detail;
      const isTold = result === DEFECT || result.isExpected === true;
      if (this.#lack === 'internal' && !isTold) this.#options.onDefect(new Uncheckable(result.detail));
    } else if (!this.#isCutShort(result)) this.#found = this.#toSlotResult(result, ts);
    if (hasFailed(result) && this.#attempt <= this.#options.retries && this.#retry()) return;
    this.#conclude();
  }

  /** Whether a late start, not the target, may be why the time was not enough. */
  #isCutShort({ outcome, reason }: ProbeResult): boolean {
    return this.#conditions.isShortened && outcome === 'down' && reason === 'timeout';
  }

  /** Another attempt, after a pause, if at least half of its time is left. */
  #retry(): boolean {
    const { clock, deadline, now, retryPauseMs, timeoutMs } = this.#options;
    const leftMs = deadline - now();
    const pauseMs = retryPauseMs ?? Math.min(RETRY_PAUSE_MS, leftMs / 10);
    if (leftMs - pauseMs < timeoutMs / 2) return false;
    this.pausedUntil = now() + pauseMs;
    this.#cancelPause = clock.after(pauseMs, () => {
      this.pausedUntil = null;
      this.begin();
    });
    return true;
  }

  #settle(): void {
    if (this.#underWay || this.#settled) return;
    this.#settled = true;
    this.#options.onSettled();
  }

  #toSlotResult(result: ProbeResult, ts: number): SlotResult {
    return {
      outcome: result.outcome,
      reason: result.reason,
      status: result.status,
      responseTime: result.responseTime,
      timings: result.timings,
      bytes: result.bytes,
      ts,
      attempt: this.#attempt,
      detail: detailOf(result),
      values: result.values,
    };
  }
}

/** The detail of a result, with a note when its response time is estimated because our own event loop was held up. */
function detailOf({ detail, heldMs = 0, responseTime }: ProbeResult): string | undefined {
  if (heldMs < NOTED_MS || responseTime === null) return detail;
  const note = `our own stalls of ${Math.round(heldMs)} ms are left out`;
  return detail === undefined ? note : `${detail} (${note})`;
}

const NOTED_MS = 100;

const DEFECT: ProbeResult = {
  outcome: 'missed',
  reason: 'internal',
  status: null,
  responseTime: null,
  timings: {},
  detail: 'the monitor failed; the log has the details',
};

/** Whether another try may say something better. */
export function hasFailed({ outcome }: Pick<ProbeResult, 'outcome'>): boolean {
  return outcome === 'down' || outcome === 'missed';
}

/** Between two tries of a job that says nothing of it. */
export const RETRY_PAUSE_MS = 250;
