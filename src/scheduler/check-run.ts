import type { Clock } from '../core/clock.ts';
import type { Probe, ProbeResult } from '../monitors/monitor.ts';
import { type Circumstances, detailOf, isFair } from './verdict.ts';

/** A fair verdict on a slot, ready to be published. */
export interface Verdict extends Pick<ProbeResult, 'outcome' | 'status' | 'responseTime' | 'timings'> {
  reason: ProbeResult['reason'];
  bytes: ProbeResult['bytes'];
  detail: ProbeResult['detail'];
  /** Actual start of the try that gave it, ms since the epoch. */
  ts: number;
  attempt: number;
}

export interface CheckRunOptions {
  probe: Probe;
  slotTag: string;
  timeoutMs: number;
  retries: number;
  /** Between two tries; null: a short one, shorter where time is short. */
  retryPauseMs: number | null;
  /** Everything ends by then, in the timeline's time. */
  deadline: number;
  clock: Clock;
  /** The timeline's time. */
  now: () => number;
  /** All the time that the event loop was held up so far. */
  stalledMs: () => number;
  /**
   * The end: a verdict, or why no try could say anything: we were late, or have a fault. Called once, unless it is
   * aborted.
   */
  onVerdict: (verdict: Verdict | 'late' | 'internal') => void;
  /** The probe threw, against its contract, or says that it could not check. */
  onDefect: (error: unknown) => void;
  /** No try of it is under way any more. Called once, whatever happened. */
  onSettled: () => void;
}

/** The check of one slot: tries until one succeeds, tries or time are used up, or it is aborted. */
export class CheckRun {
  readonly #options: CheckRunOptions;
  readonly #controller = new AbortController();
  #attempt = 0;
  #underWay = false;
  #concluded = false;
  #settled = false;
  /** What an earlier try found, fairly. */
  #found: Verdict | null = null;
  /** Why there is no verdict, if there is none. */
  #lack: 'late' | 'internal' = 'late';
  #startedMono = 0;
  #circumstances: Circumstances = { timeoutMs: 0, shortened: false, stalledMs: 0 };

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
    const shortened = timeoutMs < Math.floor(this.#options.timeoutMs);
    this.#circumstances = { timeoutMs, shortened, stalledMs: stalledMs() };
    let answer: Promise<ProbeResult>;
    try {
      answer = probe({ timeoutMs, slotTag, signal: this.#controller.signal });
    } catch (error) {
      answer = Promise.reject(error);
    }
    answer
      .catch((error: unknown) => {
        if (!this.#concluded) this.#options.onDefect(error);
        return DEFECT;
      })
      .then((result) => this.#answered(result, Math.floor(ts)));
  }

  /** The slot's time is over and the probe has not answered, though it should have long ago. */
  expire(): void {
    if (this.#concluded) return;
    const { timeoutMs } = this.#circumstances;
    const ranMs = this.#options.clock.monotonicMs() - this.#startedMono;
    const stalledMs = this.#options.stalledMs() - this.#circumstances.stalledMs;
    // A jump of the timeline or a stall of our own is no defect of the probe.
    const ours = this.#circumstances.shortened || ranMs < timeoutMs || stalledMs > Math.max(50, timeoutMs / 10);
    if (!this.#underWay || ours) {
      this.#conclude();
      return;
    }
    this.#options.onDefect(new Error('The probe did not end in its time'));
    this.#lack = 'internal';
    this.#conclude();
  }

  /** Ends it without a verdict. */
  abort(): void {
    if (this.#concluded) return;
    this.#concluded = true;
    this.#controller.abort();
    this.#settle();
  }

  /** Ends it with what was found. */
  #conclude(): void {
    this.#concluded = true;
    this.#controller.abort();
    this.#options.onVerdict(this.#found ?? this.#lack);
    this.#settle();
  }

  #answered(result: ProbeResult, ts: number): void {
    this.#underWay = false;
    if (this.#concluded) {
      this.#settle();
      return;
    }
    if (result.outcome === 'missed') {
      this.#lack = 'internal';
      if (result !== DEFECT) this.#options.onDefect(new Error(result.detail));
    }
    const stalledMs = this.#options.stalledMs() - this.#circumstances.stalledMs;
    if (isFair(result, { ...this.#circumstances, stalledMs })) this.#found = this.#toVerdict(result, ts, stalledMs);
    const hasFailed = result.outcome === 'down' || result.outcome === 'missed';
    if (hasFailed && this.#attempt <= this.#options.retries && this.#retry()) return;
    this.#conclude();
  }

  /** Another try, after a pause, if at least half of its time is left. */
  #retry(): boolean {
    const { clock, deadline, now, retryPauseMs, timeoutMs } = this.#options;
    const leftMs = deadline - now();
    const pauseMs = retryPauseMs ?? Math.min(RETRY_PAUSE_MS, leftMs / 10);
    if (leftMs - pauseMs < timeoutMs / 2) return false;
    clock.after(pauseMs, () => {
      if (!this.#concluded) this.begin();
    });
    return true;
  }

  #settle(): void {
    if (this.#underWay || this.#settled) return;
    this.#settled = true;
    this.#options.onSettled();
  }

  #toVerdict(result: ProbeResult, ts: number, stalledMs: number): Verdict {
    return {
      outcome: result.outcome,
      reason: result.reason,
      status: result.status,
      responseTime: result.responseTime,
      timings: result.timings,
      bytes: result.bytes,
      ts,
      attempt: this.#attempt,
      detail: detailOf(result, stalledMs),
    };
  }
}

const DEFECT: ProbeResult = {
  outcome: 'missed',
  reason: 'internal',
  status: null,
  responseTime: null,
  timings: {},
  detail: 'the monitor failed; the log has the details',
};
const RETRY_PAUSE_MS = 250;
