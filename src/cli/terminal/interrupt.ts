const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * npm passes a Ctrl-C on to a process that the terminal has told already. A signal within this time is the same press
 * of the keys.
 */
const SAME_PRESS_MS = 400;

export interface InterruptHandlers {
  /** The first signal: end in an orderly way. */
  onStop(signal: NodeJS.Signals): void;
  /** A further Ctrl-C: the person has waited enough. Other signals are sent by programs, which have SIGKILL for that. */
  onForce(signal: NodeJS.Signals): void;
}

/** Listens for the signals that ask to stop. The answer ends the listening. */
export function onInterrupt({ onStop, onForce }: InterruptHandlers, nowMs = () => performance.now()): () => void {
  let firstAt: number | undefined;
  const listener = (signal: NodeJS.Signals) => {
    if (firstAt === undefined) {
      firstAt = nowMs();
      onStop(signal);
    } else if (signal === 'SIGINT' && nowMs() - firstAt > SAME_PRESS_MS) {
      onForce(signal);
    }
  };
  for (const signal of STOP_SIGNALS) process.on(signal, listener);
  return () => {
    for (const signal of STOP_SIGNALS) process.off(signal, listener);
  };
}
