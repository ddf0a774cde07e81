import { ProbeFailure } from '../failure.ts';

/** When a try has to end: after its time, or when it is aborted. It tells the one thing that is under way. */
export class TimeLimit {
  readonly #timer: NodeJS.Timeout;
  readonly #signal: AbortSignal;
  readonly #onAbort = () => this.#end(new ProbeFailure('stopped', 'the check was aborted'));
  #failure: ProbeFailure | null = null;
  #stop: ((failure: ProbeFailure) => void) | null = null;
  /** Named in the text of a time-out. */
  activity = 'answer';

  constructor(timeoutMs: number, signal: AbortSignal) {
    this.#signal = signal;
    this.#timer = setTimeout(
      () => this.#end(new ProbeFailure('timeout', `no ${this.activity} within ${timeoutMs} ms`)),
      timeoutMs,
    );
    if (signal.aborted) this.#onAbort();
    else signal.addEventListener('abort', this.#onAbort);
  }

  /** `stop` is called when the time is over, at once when it is over already; null: nothing is under way. */
  guard(stop: ((failure: ProbeFailure) => void) | null): void {
    this.#stop = stop;
    if (this.#failure !== null) stop?.(this.#failure);
  }

  /** Rejects with the failure when the time is over before `work` is done. */
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
    this.#signal.removeEventListener('abort', this.#onAbort);
  }

  #end(failure: ProbeFailure): void {
    if (this.#failure !== null) return;
    this.#failure = failure;
    this.#stop?.(failure);
  }
}
