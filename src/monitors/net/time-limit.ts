import { ProbeFailure } from '../failure.ts';

/** The end of a try: by time-out or abort. It stops the pending operation. */
export class TimeLimit {
  readonly #timer: NodeJS.Timeout;
  readonly #signal: AbortSignal;
  readonly #onAbort = () => this.#end(new ProbeFailure('stopped', 'the check was aborted'));
  #failure: ProbeFailure | null = null;
  #stop: ((failure: ProbeFailure) => void) | null = null;
  /** The awaited event, named in the text of a time-out. */
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
    this.#signal.removeEventListener('abort', this.#onAbort);
  }

  #end(failure: ProbeFailure): void {
    if (this.#failure !== null) return;
    this.#failure = failure;
    this.#stop?.(failure);
  }
}
