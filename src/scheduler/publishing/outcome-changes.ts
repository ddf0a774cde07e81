import type { CheckResult } from '../../messages/check-result.ts';

const MAX_JOBS = 100_000;

/** Tells results that change the outcome of their job from those that repeat it. */
export class OutcomeChanges {
  /** The last outcome of the jobs that are not up. */
  readonly #outcomes = new Map<number, CheckResult['outcome']>();

  /** Whether the last result of the job had another outcome. A missed slot says nothing about the site. */
  isChange({ jobId, outcome }: CheckResult): boolean {
    if (outcome === 'missed' || (this.#outcomes.get(jobId) ?? 'up') === outcome) return false;
    if (outcome === 'up') this.#outcomes.delete(jobId);
    else if (this.#outcomes.size < MAX_JOBS || this.#outcomes.has(jobId)) this.#outcomes.set(jobId, outcome);
    return true;
  }
}
