import type { StoredJob } from './definition.ts';

/** A job's definition as people write it: wire names, defaults not filled in. */
export type JobDefinition = Readonly<Record<string, unknown>>;

/**
 * The jobs in PostgreSQL. Every change is one transaction that takes the next revision, keeps the definition in
 * job_versions and notifies `watch`ers. Definitions given to it are valid already (see schema.ts).
 */
export interface JobStore {
  get(jobId: number): Promise<StoredJob | null>;
  /** The definition as it was given, without defaults; null when there is no such job. */
  definitionOf(jobId: number): Promise<JobDefinition | null>;
  list(filter?: JobFilter): Promise<StoredJob[]>;
  /** How many jobs a list without limit would have. */
  count(filter?: JobFilter): Promise<number>;
  /** All jobs changed after `revision`, removed ones included (`deleted`), in order of revision. */
  changedSince(revision: number, page?: JobPage): Promise<StoredJob[]>;
  /** Makes a job of source `api`; takes the next free id when the definition has none. Throws VED_JOB_EXISTS. */
  create(definition: JobDefinition): Promise<StoredJob>;
  /** Replaces the definition. Throws VED_JOB_NOT_FOUND, VED_JOB_MANAGED_BY_FILE, VED_VERSION_CONFLICT. */
  update(jobId: number, definition: JobDefinition, options?: { ifVersion?: number }): Promise<StoredJob>;
  remove(jobId: number, options?: { ifVersion?: number }): Promise<void>;
  /** Idempotent; remembered over restarts. Allowed for jobs of the file too. */
  setRunning(jobId: number, running: boolean): Promise<StoredJob>;
  /**
   * The same change of all of the jobs in one transaction, or of none when one of them is missing, or is of the job file and
   * to be removed or tagged. Returns the jobs that it changed, or would change. Throws VED_JOB_NOT_FOUND,
   * VED_JOB_MANAGED_BY_FILE with such ids, VED_VALIDATION for too many tags.
   */
  changeAll(jobIds: readonly number[], change: BulkChange, options?: { dryRun?: boolean }): Promise<number[]>;
  /** Makes the jobs of source `file` equal to `definitions` in one transaction; jobs of the API are left alone. */
  applyFile(definitions: readonly JobDefinition[]): Promise<FileChanges>;
  /**
   * All of it or nothing, in one transaction: jobs of source `api`, each running as its `enabled` says. Throws
   * VED_VERSION_CONFLICT when a job is not as it was when the import was planned.
   */
  applyImport(changes: JobImport): Promise<void>;
  /** Calls back after changes (and now and then without any); the answer stops it. */
  watch(onChange: () => void): Promise<() => Promise<void>>;
}

export type BulkChange =
  | { readonly action: 'start' | 'stop' | 'remove' }
  | { readonly action: 'tag' | 'untag'; readonly tags: readonly string[] };

/** Definitions have their job_id; versions are those that the jobs must be at. */
export interface JobImport {
  created: readonly JobDefinition[];
  changed: ReadonlyArray<{ definition: JobDefinition; version: number }>;
  removed: ReadonlyArray<{ jobId: number; version: number }>;
}

/** One page of changes: at most `limit`, those of `revision` itself only from jobs with a greater id on. */
export interface JobPage {
  afterJobId: number;
  limit: number;
}

/** What a list may be sorted by; names as they are shown. */
export const SORTS = [
  'job_id',
  '-job_id',
  'job_name',
  '-job_name',
  'created_at',
  '-created_at',
  'updated_at',
  '-updated_at',
] as const;
export type JobSort = (typeof SORTS)[number];

/** Where a page ended: what it is sorted by (times in ms since the epoch), and the job. */
export interface JobPosition {
  key: string | number;
  jobId: number;
}

export interface JobFilter {
  /** Part of the name or the address as people see them, case-insensitive. */
  q?: string;
  running?: boolean;
  /** All of them. */
  tags?: readonly string[];
  /** Last outcome at any location: one of these. */
  outcomes?: readonly string[];
  limit?: number;
  /** `job_id` unless given. */
  sort?: JobSort;
  /** Only what follows in that order. */
  after?: JobPosition;
}

export interface FileChanges {
  created: number[];
  changed: number[];
  removed: number[];
  unchanged: number[];
}
