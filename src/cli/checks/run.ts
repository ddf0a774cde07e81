import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '../../core/clock.ts';
import type { Job } from '../../jobs/definition.ts';
import type { JobRules } from '../../jobs/rules.ts';
import type { Outcome } from '../../messages/check-result.ts';
import type { ProbeResult } from '../../monitors/monitor.ts';
import { hasFailed, RETRY_PAUSE_MS } from '../../scheduler/checks/check-run.ts';
import { EXIT } from '../context.ts';

export interface CheckOutcome extends ProbeResult {
  /** Tries that were made; the result is the last one's. */
  attempt: number;
  /** When that one began, ms since the epoch. */
  startedAt: number;
}

/** Checks a job once, as a scheduler would for one slot: further tries after one that failed, if the job has them. */
export async function runCheck(rules: JobRules, job: Job, signal: AbortSignal): Promise<CheckOutcome> {
  const probe = rules.prepare(job);
  try {
    for (let attempt = 1; ; attempt++) {
      const startedAt = systemClock.wallMs();
      const result = { ...(await probe({ timeoutMs: job.timeoutMs, signal })), attempt, startedAt };
      if (!hasFailed(result) || attempt > job.retries || signal.aborted) return result;
      await pause(job.retryPauseMs ?? RETRY_PAUSE_MS, undefined, { signal }).catch(ended);
      if (signal.aborted) return result;
    }
  } finally {
    probe.close?.();
  }
}

/** up 0, down 1, degraded 3; of several the worst. */
export function exitCodeOf(outcomes: readonly Outcome[]): number {
  if (outcomes.some((outcome) => outcome === 'down' || outcome === 'missed')) return EXIT.failed;
  return outcomes.includes('degraded') ? EXIT.degraded : EXIT.ok;
}

const ended = () => {
  // The signal says so as well.
};
