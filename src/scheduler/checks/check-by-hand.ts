import type { Clock } from '../../core/clock.ts';
import type { Job } from '../../jobs/definition.ts';
import type { Probe, ProbeResult } from '../../monitors/monitor.ts';

export type CheckByHand = (job: Job, signal: AbortSignal) => Promise<ProbeResult & { startedAt: number }>;

/** Checks a job once, outside any slot: no header of a slot, no retries, nothing published. */
export function createCheckRunner(prepare: (job: Job) => Probe, clock: Clock): CheckByHand {
  return async (job, signal) => {
    const startedAt = clock.wallMs();
    const probe = prepare(job);
    try {
      return { startedAt, ...(await probe({ timeoutMs: job.timeoutMs, signal })) };
    } finally {
      probe.close?.();
    }
  };
}
