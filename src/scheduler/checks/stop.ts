import type { StopSignal } from '../../monitors/monitor.ts';

/** Stops one check: an AbortController and its signal in one, for one listener and without an error that has a stack. */
export class Stop implements StopSignal {
  #listener: (() => void) | null = null;
  aborted = false;

  addEventListener(_type: 'abort', listener: () => void): void {
    this.#listener = listener;
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    if (this.#listener === listener) this.#listener = null;
  }

  abort(): void {
    if (this.aborted) return;
    this.aborted = true;
    this.#listener?.();
  }
}
