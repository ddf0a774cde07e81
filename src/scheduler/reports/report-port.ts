import type { Job } from '../../jobs/definition.ts';

/** How the slots of a job end that is not checked: its program reports. */
export interface ReportRule {
  /** A report in time comes within this time after its slot, and before the next slot. */
  graceMs: number;
}

/** What programs reported. app/ wires it; the scheduler knows neither tokens nor tables. */
export interface ReportPort {
  /** Returns null for a job that is checked. */
  ruleOf(job: Job): ReportRule | null;
  /** Returns for each job the first report that was received at or after `fromMs`. Rejects while it cannot be known. */
  read(asked: readonly Asked[]): Promise<FoundReports>;
  /** Calls back with the job of each report; with null when some may have been lost. The returned function stops it. */
  watch(onReport: (jobId: number | null) => void): Promise<() => Promise<void>>;
  /** How long a report that is received may wait before `read` finds it, while the database cannot be reached. */
  readonly waitMs: number;
}

interface Asked {
  jobId: number;
  fromMs: number;
}

export interface FoundReports {
  /** The database's clock, ms since the epoch: every report that was received before is found, unless it waits. */
  nowMs: number;
  /** By job. */
  found: ReadonlyMap<number, FoundReport>;
}

export interface FoundReport {
  report: Report | null;
  /** When the program said that it begins, ms since the epoch; null: it did not since its report before. */
  begunMs: number | null;
}

export interface Report {
  /** By the database's clock, ms since the epoch. */
  receivedMs: number;
  kind: 'up' | 'degraded' | 'down';
  message: string | null;
  /** Seconds, as it was reported. */
  duration: number | null;
  values: Readonly<Record<string, number>> | null;
}

/** Where no job is reported. */
export const NO_REPORTS: ReportPort = {
  ruleOf: () => null,
  read: async () => ({ nowMs: 0, found: new Map() }),
  watch: async () => async () => {},
  waitMs: 0,
};
