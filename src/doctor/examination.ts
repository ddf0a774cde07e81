import type { ExaminationContext } from './context.ts';

/** `warning`: it works, but not as well or as safely as it could. `problem`: it does not work, or will soon fail. */
export type Severity = 'ok' | 'warning' | 'problem';

export interface Finding {
  /** Name for scripts, never changed: `postgres.version`. */
  name: string;
  verdict: Severity;
  /** The fact, for people. */
  found: string;
  /** Advice; null if nothing has to be done. */
  advice: string | null;
}

/**
 * One subject of the doctor: a file of its own in examinations/, and one line in its index.ts. It reads and never changes
 * anything. It may throw, which becomes a finding, and it is abandoned after its time-out.
 */
export interface Examination {
  /** First part of the names of its findings. */
  readonly name: string;
  /** Groups of settings that it depends on, such as `kafka`: skipped while one of them is wrong. */
  readonly settings?: readonly string[];
  /** Default 10,000. */
  readonly timeoutMs?: number;
  /** Returns findings in the order in which they should be read; none if there is nothing to examine. */
  examine(context: ExaminationContext): Promise<Finding[]>;
}

export const ok = (name: string, found: string): Finding => ({ name, verdict: 'ok', found, advice: null });

export const warning = (name: string, found: string, advice: string): Finding => {
  return { name, verdict: 'warning', found, advice };
};

export const problem = (name: string, found: string, advice: string): Finding => {
  return { name, verdict: 'problem', found, advice };
};
