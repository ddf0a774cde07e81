import type { JobMetric } from './fields.ts';

/**
 * A monitoring job inside Vedette. The wire form (jobs.json, API, `jobs.definition`) has snake_case names and is mapped
 * here, once.
 */
export interface Job {
  jobId: number;
  /** Name for people. If it is made of the address, the secrets of the address are left out. */
  name: string;
  /** Notes for people. */
  description: string | null;
  /** Monitor type, e.g. `http`. */
  type: string;
  /** Distance of the slots in ms; null if `cron` gives the schedule. Exactly one of the two is set. */
  periodMs: number | null;
  /** Cron expression (UTC unless `cronTimezone`); null when there is a period. */
  cron: string | null;
  cronTimezone: string | null;
  /** One try may take this long. Less than the period. */
  timeoutMs: number;
  /** Further tries after a failing one, within the slot. */
  retries: number;
  /** Pause between two tries; null leaves it to the scheduler. */
  retryPauseMs: number | null;
  /** Locations whose schedulers run it. */
  locations: readonly string[];
  tags: readonly string[];
  /** Further query parameters that are secrets, besides those with telling names. */
  secrets: readonly string[];
  /** Whether it runs unless started or stopped by a person. */
  enabled: boolean;
  /** Topic its results go to; null for the default one. */
  topic: string | null;
  /** What is counted beside the metrics of all jobs; absent: nothing. */
  metrics?: readonly JobMetric[];
  /** The monitor type's own fields, as in the wire form. */
  options: Readonly<Record<string, unknown>>;
}

/** A job as stored: the definition with its version and state. */
export interface StoredJob {
  job: Job;
  /** Number of the definition; 1 is the first. */
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
