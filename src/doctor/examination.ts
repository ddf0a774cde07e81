import type { Patient } from './patient.ts';

/** `warning`: it works, but not as well or as safely as it could. `problem`: something does not work or soon will not. */
export type Verdict = 'ok' | 'warning' | 'problem';

export interface Finding {
  /** Stable, for scripts: what was looked at, e.g. `postgres.version`. */
  name: string;
  verdict: Verdict;
  /** What was found. */
  found: string;
  /** What to do about it; null where nothing has to be done. */
  advice: string | null;
}

/**
 * One thing the doctor looks at: a file of its own, and one line in index.ts. It only looks, it never changes anything;
 * it may throw, which is a finding too, and it is given up after a time, so that nothing hangs.
 */
export interface Examination {
  /** First part of the names of its findings. */
  readonly name: string;
  /** Groups of settings it stands on, e.g. `kafka`: not looked at while one of them is wrong. */
  readonly settings?: readonly string[];
  /** Default 10,000. */
  readonly timeoutMs?: number;
  /** Findings in the order in which they should be read; none where there is nothing to look at. */
  examine(patient: Patient): Promise<Finding[]>;
}

export const ok = (name: string, found: string): Finding => ({ name, verdict: 'ok', found, advice: null });

export const warning = (name: string, found: string, advice: string): Finding => {
  return { name, verdict: 'warning', found, advice };
};

export const problem = (name: string, found: string, advice: string): Finding => {
  return { name, verdict: 'problem', found, advice };
};
