import { ProbeFailure } from '../failure.ts';
import type { StopSignal } from '../monitor.ts';
import { loopWatch } from './loop-watch.ts';

export interface TimeLimitOptions {
  timeoutMs: number;
  signal: StopSignal;
  /** How much longer it may take for delays of our own; unlimited by default. */
  graceMs?: number | undefined;
}

/**
 * The end of a try: by time-out or abort. It stops the pending operation. The site has its whole time: what our own event
 * loop took before it noticed an event that the next step waited for is added, and an answer that was there in time is
 * read first. Where there is no time left to add, the failure is `stalled`.
 */
export class TimeLimit {
  readonly timeoutMs: number;
  readonly #graceMs: number;
  readonly #signal: StopSignal;
  readonly #onAbort = () => this.#end(new ProbeFailure('stopped', 'the check was aborted'));
  #timer: NodeJS.Timeout;
  #lastLook: NodeJS.Immediate | undefined;
  #failure: ProbeFailure | null = null;
  #stop: ((failure: ProbeFailure) => void) | null = null;
  #heldMs = 0;
  #addedMs = 0;
  #doubtMs = 0;
  /** The awaited event, named in the text of a time-out. */
  activity = 'answer';

  constructor({ timeoutMs, signal, graceMs = Number.POSITIVE_INFINITY }: TimeLimitOptions) {
    this.timeoutMs = timeoutMs;
    this.#graceMs = graceMs;
    this.#signal = signal;
    this.#timer = setTimeout(this.#onTime, timeoutMs);
    loopWatch.watch();
    if (signal.aborted) this.#onAbort();
    else signal.addEventListener('abort', this.#onAbort);
  }

  /** How long our own event loop let events wait that the next step waited for, at most, in ms. */
  get heldMs(): number {
    return this.#heldMs;
  }

  /** Error of the sum of the times that eventAt() returned, at most, in ms. */
  get doubtMs(): number {
    return this.#doubtMs;
  }

  /** Called in the callback of an event that ends a phase, after which it is our turn. Returns when the kernel had it. */
  eventAt(phaseAt: number): number {
    const at = loopWatch.eventAt(phaseAt);
    this.#doubtMs += loopWatch.doubtMs;
    this.#heldMs += loopWatch.waitedMs();
    return at;
  }

  /**
   * Sets the function that stops the pending operation; called at once if the time is over. null: nothing is pending.
   */
  guard(stop: ((failure: ProbeFailure) => void) | null): void {
    this.#stop = stop;
    if (this.#failure !== null) stop?.(this.#failure);
  }

  /** Rejects with the failure if the time is over before `work` has finished. */
  async race<T>(work: Promise<T>): Promise<T> {
    try {
      return await new Promise<T>((resolve, reject) => {
        work.then(resolve, reject);
        this.guard(reject);
      });
    } finally {
      this.guard(null);
    }
  }

  dispose(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#lastLook);
    loopWatch.unwatch();
    this.#signal.removeEventListener('abort', this.#onAbort);
  }

  readonly #onTime = (): void => {
    // Timers run before the loop looks for events.
    this.#lastLook = setImmediate(() => this.#timeOver());
  };

  #timeOver(): void {
    const moreMs = Math.min(this.#heldMs, this.#graceMs) - this.#addedMs;
    if (moreMs >= 1) {
      this.#addedMs += moreMs;
      this.#timer = setTimeout(this.#onTime, moreMs);
      return;
    }
    const text = `no ${this.activity} within ${this.timeoutMs} ms`;
    const lackingMs = this.#heldMs - this.#addedMs;
    const isOurs = lackingMs > Math.max(MIN_STALL_MS, this.timeoutMs * STALL_SHARE);
    if (isOurs)
      this.#end(new ProbeFailure('stalled', `${text}, of which we held it up for ${Math.ceil(lackingMs)} ms`));
    else this.#end(new ProbeFailure('timeout', text));
  }

  #end(failure: ProbeFailure): void {
    if (this.#failure !== null) return;
    this.#failure = failure;
    this.#stop?.(failure);
  }
}

/** A shorter delay of our own is within what a time-out means. */
const MIN_STALL_MS = 5;
const STALL_SHARE = 0.01;
