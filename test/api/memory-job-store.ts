import { VedetteError } from '../../src/errors.ts';
import type { StoredJob } from '../../src/jobs/definition.ts';
import { toJob } from '../../src/jobs/mapping.ts';
import type { BulkChange, FileChanges, JobDefinition, JobFilter, JobStore } from '../../src/jobs/store.ts';

/** A job store without a database: what the API does with jobs, apart from how they are kept. */
export class MemoryJobStore implements JobStore {
  readonly #definitions = new Map<number, JobDefinition>();
  readonly jobs = new Map<number, StoredJob>();
  #revision = 0;

  as(): JobStore {
    return this;
  }

  async get(jobId: number): Promise<StoredJob | null> {
    return this.jobs.get(jobId) ?? null;
  }

  async list({ q, running, tags = [], limit = 1_000, after }: JobFilter = {}): Promise<StoredJob[]> {
    return [...this.jobs.values()]
      .filter(({ job }) => job.jobId > (after?.jobId ?? 0))
      .filter((stored) => running === undefined || stored.running === running)
      .filter(({ job }) => q === undefined || job.name.toLowerCase().includes(q.toLowerCase()))
      .filter(({ job }) => tags.every((tag) => job.tags.includes(tag)))
      .sort((a, b) => a.job.jobId - b.job.jobId)
      .slice(0, limit);
  }

  async count(filter: JobFilter = {}): Promise<number> {
    const { limit: _limit, after: _after, ...rest } = filter;
    return (await this.list(rest)).length;
  }

  async changedSince(): Promise<StoredJob[]> {
    return [];
  }

  async create(definition: JobDefinition): Promise<StoredJob> {
    const jobId = (definition.job_id as number | undefined) ?? Math.max(0, ...this.jobs.keys()) + 1;
    if (this.jobs.has(jobId)) throw new VedetteError('VED_JOB_EXISTS', `There is a job ${jobId} already`);
    const now = new Date();
    const stored: StoredJob = {
      job: toJob(definition, jobId),
      ...{ version: 1, running: definition.enabled !== false, source: 'api', revision: ++this.#revision },
      ...{ createdAt: now, updatedAt: now, deleted: false },
    };
    this.#definitions.set(jobId, { ...definition, job_id: jobId });
    this.jobs.set(jobId, stored);
    return stored;
  }

  async definitionOf(jobId: number): Promise<JobDefinition | null> {
    return this.#definitions.get(jobId) ?? null;
  }

  async update(
    jobId: number,
    definition: JobDefinition,
    { ifVersion }: { ifVersion?: number } = {},
  ): Promise<StoredJob> {
    const stored = this.#find(jobId);
    if (ifVersion !== undefined && ifVersion !== stored.version) {
      throw new VedetteError('VED_VERSION_CONFLICT', `Job ${jobId} is at version ${stored.version}`);
    }
    const updated = { ...stored, job: toJob(definition, jobId), version: stored.version + 1, updatedAt: new Date() };
    this.#definitions.set(jobId, definition);
    this.jobs.set(jobId, updated);
    return updated;
  }

  async remove(jobId: number): Promise<void> {
    this.#find(jobId);
    this.jobs.delete(jobId);
  }

  async setRunning(jobId: number, running: boolean): Promise<StoredJob> {
    const stored = { ...this.#find(jobId), running };
    this.jobs.set(jobId, stored);
    return stored;
  }

  async rotatePushToken(jobId: number): Promise<string> {
    this.#find(jobId);
    throw new VedetteError('VED_JOB_WITHOUT_TOKEN', `Job ${jobId} is no push job`);
  }

  async changeAll(jobIds: readonly number[], { action }: BulkChange): Promise<number[]> {
    for (const jobId of jobIds) this.#find(jobId);
    for (const jobId of jobIds) {
      if (action === 'remove') await this.remove(jobId);
      else await this.setRunning(jobId, action === 'start');
    }
    return [...jobIds];
  }

  async applyFile(): Promise<FileChanges> {
    return { created: [], changed: [], removed: [], unchanged: [] };
  }

  async applyImport(): Promise<void> {}

  async watch(): Promise<() => Promise<void>> {
    return async () => undefined;
  }

  #find(jobId: number): StoredJob {
    const stored = this.jobs.get(jobId);
    if (!stored) throw new VedetteError('VED_JOB_NOT_FOUND', `There is no job ${jobId}`);
    return stored;
  }
}
