import type { ExtraMetric, GranularityPlan, MetricSetting } from '../../aggregates/metrics-plan.ts';
import { JobSelections, MetricSelector, type SelectedJob, type Selection } from '../../aggregates/selection.ts';

export interface MetricJob extends SelectedJob {
  jobId: number;
}

/** Where it is read which metrics jobs have. */
interface MetricJobs {
  /** Of these jobs, those that may have other metrics than all have. */
  read(jobIds: readonly number[]): Promise<MetricJob[]>;
  /** Every job that was changed after a revision, and up to which one that is; without one, only the present revision. */
  changedSince(revision: number | null): Promise<{ revision: number; jobs: MetricJob[] }>;
  /** Calls back after changes, and now and then without any. The returned function stops it. */
  watch(onChange: () => void): Promise<() => Promise<void>>;
}

/**
 * Which metrics jobs have, as far as this process knows: it reads those of a job before its first result, and follows
 * changes. No exactness depends on how soon: a row says itself which metrics it keeps (see aggregates/selection.ts).
 */
export class JobMetrics {
  readonly #selections: JobSelections;
  readonly #jobs: MetricJobs | undefined;
  #revision: number | null = null;
  #unwatch: (() => Promise<void>) | undefined;
  /** One reading after the other, so that the last one is the newest. */
  #queue: Promise<unknown> = Promise.resolve();

  /** Without `jobs`, all jobs have the same metrics. */
  constructor(plans: readonly GranularityPlan[], settings: readonly MetricSetting[] = [], jobs?: MetricJobs) {
    this.#selections = new JobSelections(new MetricSelector(plans, settings));
    this.#jobs = jobs;
  }

  /** All that any job has, or had since the start of this process. */
  get extras(): readonly ExtraMetric[] {
    return this.#selections.extras;
  }

  readonly selectionOf = (jobId: number): Selection => this.#selections.of(jobId);

  /** To be called before results of these jobs are counted for the first time. */
  async read(jobIds: readonly number[]): Promise<void> {
    const jobs = this.#jobs;
    if (jobs === undefined || jobIds.length === 0) return;
    await this.#next(async () => {
      const found = new Map((await jobs.read(jobIds)).map((job) => [job.jobId, job]));
      for (const jobId of jobIds) this.#selections.set(jobId, found.get(jobId) ?? NONE);
    });
  }

  /** Follows changes from now on, until `close`. It may be called again. */
  async follow(): Promise<void> {
    const jobs = this.#jobs;
    if (jobs === undefined || this.#unwatch) return;
    this.#revision ??= (await jobs.changedSince(null)).revision;
    this.#unwatch = await jobs.watch(() => {
      // A database that is away is asked again at the next call.
      this.#next(() => this.#readChanges(jobs)).catch(() => undefined);
    });
  }

  async close(): Promise<void> {
    await this.#unwatch?.();
    this.#unwatch = undefined;
    await this.#queue;
  }

  async #readChanges(jobs: MetricJobs): Promise<void> {
    const { revision, jobs: changed } = await jobs.changedSince(this.#revision);
    for (const job of changed) this.#selections.set(job.jobId, job);
    this.#revision = revision;
  }

  #next<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(work);
    this.#queue = done.catch(() => undefined);
    return done;
  }
}

const NONE: SelectedJob = { type: '', tags: [], metrics: [] };
