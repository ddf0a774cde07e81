import { sleep } from '../../../src/core/clock.ts';
import type { Report, ReportPort } from '../../../src/scheduler/reports/report-port.ts';
import type { FakeClock } from '../../helpers/fake-clock.ts';

export const WAIT_MS = 3_000;

/** Reports of programs under the same rules as in SQL; jobs with tag `push` are reported. */
export class MemoryReports {
  readonly #clock: FakeClock;
  readonly #reports: Array<Report & { jobId: number }> = [];
  readonly #begun: Array<{ jobId: number; atMs: number }> = [];
  readonly #watchers = new Set<(jobId: number | null) => void>();
  readonly #graceMs: number;
  /** The database is away. */
  isAway = false;
  reads = 0;

  constructor(clock: FakeClock, graceMs: number) {
    this.#clock = clock;
    this.#graceMs = graceMs;
  }

  /** `receivedMs` lies in the past for a report that waited. */
  report(jobId: number, fields: Partial<Report> = {}): void {
    const receivedMs = this.#clock.wallMs();
    this.#reports.push({ jobId, receivedMs, kind: 'up', message: null, duration: null, values: null, ...fields });
    for (const watcher of this.#watchers) watcher(jobId);
  }

  /** The database was away, so that notifications may have been lost. */
  returned(): void {
    for (const watcher of this.#watchers) watcher(null);
  }

  begin(jobId: number): void {
    this.#begun.push({ jobId, atMs: this.#clock.wallMs() });
  }

  get port(): ReportPort {
    return {
      waitMs: WAIT_MS,
      ruleOf: ({ tags }) => (tags.includes('push') ? { graceMs: this.#graceMs } : null),
      read: async (asked) => {
        this.reads++;
        await sleep(this.#clock, 2);
        if (this.isAway) throw new Error('connection refused');
        const found = asked.map(({ jobId, fromMs }) => {
          const own = this.#reports.filter((report) => report.jobId === jobId && report.receivedMs >= fromMs);
          const [report = null] = own.sort((a, b) => a.receivedMs - b.receivedMs);
          const begun = this.#begun.filter((each) => each.jobId === jobId).at(-1);
          return [jobId, { report, begunMs: begun?.atMs ?? null }] as const;
        });
        return { nowMs: this.#clock.wallMs(), found: new Map(found) };
      },
      watch: async (onReport) => {
        this.#watchers.add(onReport);
        return async () => void this.#watchers.delete(onReport);
      },
    };
  }
}
