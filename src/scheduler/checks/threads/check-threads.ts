import type { ProbedJob } from '../../../jobs/prepare.ts';
import type { Probe } from '../../../monitors/monitor.ts';
import {
  CheckThread,
  type CheckThreadOptions,
  type MonitorSettings,
  type Placed,
  type ThreadStats,
} from './check-thread.ts';

export interface CheckThreadsOptions extends Omit<CheckThreadOptions, 'monitors'> {
  count: number;
  monitors: Omit<MonitorSettings, 'threads'>;
  /** Prepares a job on the main thread, where most are not checked: it throws what is wrong with the job. */
  prepare: (job: ProbedJob) => Probe;
}

/** Threads that run checks. A job stays on its thread, where its kept connection is. */
export class CheckThreads {
  readonly #threads: readonly CheckThread[];
  readonly #prepareHere: (job: ProbedJob) => Probe;

  constructor({ count, prepare, monitors, ...rest }: CheckThreadsOptions) {
    this.#prepareHere = prepare;
    const options = { ...rest, monitors: { ...monitors, threads: count } };
    this.#threads = Array.from({ length: count }, (_, index) => new CheckThread(index + 1, options));
  }

  /** Resolves when each works, or has failed for the first time. */
  async start(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.start()));
  }

  /**
   * Returns a probe that runs on the thread of the job, or here if it needs the main thread. Throws as the preparation on the
   * main thread does.
   */
  readonly prepare = (job: ProbedJob): Probe => {
    const here = this.#prepareHere(job);
    if (here.needsMainThread) return here;
    const { keeps = false } = here;
    const thread = this.#threads[threadOf(job.jobId, this.#threads.length)] as CheckThread;
    const placed: Placed = { job, key: 0, start: 0 };
    const probe: Probe = (request) => thread.check(placed, request);
    return Object.assign(probe, { keeps, close: () => thread.drop(placed) });
  };

  stats(): ThreadStats[] {
    return this.#threads.map((thread) => thread.stats());
  }

  /** A text for people while some thread is in trouble; null otherwise. */
  problem(): string | null {
    const problems = this.#threads.flatMap((thread) => thread.problem() ?? []);
    return problems.length === 0 ? null : problems.join('; ');
  }

  /** Ends the threads; checks under way reject. */
  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.close()));
  }
}

/** Another hash than that of shards, of which a scheduler may have every second one. */
export function threadOf(jobId: number, count: number): number {
  const mixed = Math.imul(jobId ^ (jobId >>> 16), 0x45d9f3b);
  return ((mixed ^ (mixed >>> 16)) >>> 0) % count;
}
