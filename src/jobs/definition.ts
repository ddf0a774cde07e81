/**
 * A monitoring job as everything inside Vedette sees it. The wire form (jobs.json, API, `jobs.definition`) has
 * snake_case names and is mapped here, once.
 */
export interface Job {
  jobId: number;
  /** As people see it: without the secrets of the address that it may be made of. */
  name: string;
  /** Notes for people. */
  description: string | null;
  /** Monitor type, e.g. `http`. */
  type: string;
  /** Distance of the slots in ms; null when `cron` says when. Exactly one of the two is set. */
  periodMs: number | null;
  /** Cron expression (UTC unless `cronTimezone`); null when there is a period. */
  cron: string | null;
  cronTimezone: string | null;
  /** One try may take this long. Less than the period. */
  timeoutMs: number;
  /** Further tries after a failing one, within the slot. */
  retries: number;
  /** Between two tries; null when the scheduler may choose. */
  retryPauseMs: number | null;
  /** Locations whose schedulers run it. */
  locations: readonly string[];
  tags: readonly string[];
  /** Query parameters that hold secrets, besides those whose names say so. */
  secrets: readonly string[];
  /** Whether it is to run when nobody has said otherwise. */
  enabled: boolean;
  /** Topic its results go to; null for the default one. */
  topic: string | null;
  /** The monitor type's own fields, as in the wire form. */
  options: Readonly<Record<string, unknown>>;
}

/** A job as stored: the definition with its version and state. */
export interface StoredJob {
  job: Job;
  /** Counts the definitions this job had; 1 for the first. */
  version: number;
  running: boolean;
  /** `file`: managed by the job file; `api`: lives in the database only. */
  source: 'file' | 'api';
  /** Grows with every change of any job, in commit order. */
  revision: number;
  createdAt: Date;
  updatedAt: Date;
  deleted: boolean;
}
