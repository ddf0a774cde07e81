import type { RunRecord } from '../../test/faults/record.ts';
import type { Run } from './runs.ts';

/** How a run ended. */
export interface Outcome {
  run: Run;
  /** `not run`: something it needs is not there, which proves nothing either. */
  verdict: 'held' | 'failed' | 'not run' | 'interrupted';
  /** Why it was not run, or what failed. */
  reasons: string[];
  assertions: { passed: number; failed: number; skipped: number };
  seconds: number;
  seed: number;
  /** Records that the tests of the run left behind. */
  records: RunRecord[];
}
