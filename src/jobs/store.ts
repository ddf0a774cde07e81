import type { Actor } from '../access/audit.ts';
import type { Within } from '../access/idempotency.ts';
import type { StoredJob } from './definition.ts';

/** A job's definition as people write it: wire names, defaults not filled in. */
export type JobDefinition = Readonly<Record<string, unknown>>;

/** On whose behalf jobs are read and changed. */
export interface JobAccess {
  /** As the audit names it. */
  actor: Actor;
  /** Only jobs with one of these tags are there, and none may leave them; null: all jobs. */
  tags: readonly string[] | null;
}

/**
 * The jobs in PostgreSQL. Every change is one transaction that takes the next revision, stores the definition in
 * job_versions, notes the change in the audit and notifies the watchers. Definitions passed to it are valid (see rules.ts).
 */
export interface JobStore {
  /** The same jobs on behalf of somebody else. */
  as(access: JobAccess): JobStore;
  get(jobId: number): Promise<StoredJob | null>;
  /** Returns the definition as it was given, without defaults; null if there is no such job. */
  definitionOf(jobId: number): Promise<JobDefinition | null>;
  list(filter?: JobFilter): Promise<StoredJob[]>;
  /** Returns the number of jobs of a list without limit. */
  count(filter?: JobFilter): Promise<number>;
  /** Returns all jobs changed after `revision`, removed ones included (`deleted`), in order of revision. */
  changedSince(revision: number, page?: JobPage): Promise<StoredJob[]>;
  /** Creates a job of source `api`; takes the next free id if the definition has none. Throws VED_JOB_EXISTS. */
  create(definition: JobDefinition, options?: { within?: Within<StoredJob> | undefined }): Promise<StoredJob>;
  /** Replaces the definition. Throws VED_JOB_NOT_FOUND, VED_JOB_MANAGED_BY_FILE, VED_VERSION_CONFLICT. */
  update(jobId: number, definition: JobDefinition, options?: { ifVersion?: number }): Promise<StoredJob>;
  remove(jobId: number, options?: { ifVersion?: number }): Promise<void>;
  /** Idempotent; remembered over restarts. Allowed for jobs of the file too. */
  setRunning(jobId: number, running: boolean): Promise<StoredJob>;
  /**
   * Gives a push job a new token, from then on its only one; returns it. Throws VED_JOB_NOT_FOUND, VED_JOB_WITHOUT_TOKEN.
   */
  rotatePushToken(jobId: number, options?: { within?: Within<string> | undefined }): Promise<string>;
  /**
   * Applies one change to all of the jobs in one transaction; to none if one of them is missing, or if a job of the job
   * file is to be removed or tagged. Returns the jobs that were, or would be, changed. Throws VED_JOB_NOT_FOUND,
   * VED_JOB_MANAGED_BY_FILE with such ids, VED_VALIDATION for too many tags.
   */
  changeAll(jobIds: readonly number[], change: BulkChange, options?: { dryRun?: boolean }): Promise<number[]>;
  /** Makes the jobs of source `file` equal to `definitions` in one transaction; jobs of the API are left alone. */
  applyFile(definitions: readonly JobDefinition[]): Promise<FileChanges>;
  /**
   * Applies an import in one transaction: jobs of source `api`, each running if its `enabled` is true. Throws
   * VED_VERSION_CONFLICT if a job has changed since the import was planned.
   */
  applyImport(changes: JobImport): Promise<void>;
  /** Calls back after changes, and now and then without any. The returned function stops it. */
  watch(onChange: () => void): Promise<() => Promise<void>>;
}

export type BulkChange =
  | { readonly action: 'start' | 'stop' | 'remove' }
  | { readonly action: 'tag' | 'untag'; readonly tags: readonly string[] };

/** Definitions have a job_id; `versions` are the versions that the jobs must have. */
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

/** Sort keys of lists, named as they are shown. */
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

/** The end of a page: the sort value (times in ms since the epoch), and the job. */
export interface JobPosition {
  key: string | number;
  jobId: number;
}

export interface JobFilter {
  /** Part of the name or of the address as shown, case-insensitive. */
  q?: string;
  running?: boolean;
  /** Tags that a job must all have. */
  tags?: readonly string[];
  /** The last outcome at any location is one of these. */
  outcomes?: readonly string[];
  limit?: number;
  /** `job_id` unless given. */
  sort?: JobSort;
  /** Only jobs after this place in that order. */
  after?: JobPosition;
}

export interface FileChanges {
  created: number[];
  changed: number[];
  removed: number[];
  unchanged: number[];
}
