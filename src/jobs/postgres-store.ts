import { systemActor, writeAudit } from '../access/audit.ts';
import type { Within } from '../access/idempotency.ts';
import { type Clock, inStep } from '../core/clock.ts';
import { firstOf } from '../core/first-of.ts';
import { MASK } from '../core/masking.ts';
import { VedetteError } from '../errors.ts';
import type { Database, Queryable } from '../postgres/database.ts';
import { keepPushTokens, renewPushToken } from '../push/tokens.ts';
import { auditJobs } from './audited.ts';
import { planBulk } from './bulk.ts';
import type { Job, StoredJob } from './definition.ts';
import { boundVersions } from './expired-versions.ts';
import { GROUP_TYPE, type GroupRefusal, refuseGroups } from './groups.ts';
import { countStatement, listStatement } from './list.ts';
import { nextJobId } from './next-job-id.ts';
import { alreadyExists, refuseInheritance, refuseOutside } from './reach.ts';
import type {
  BulkChange,
  FileChanges,
  JobAccess,
  JobDefinition,
  JobFilter,
  JobImport,
  JobPage,
  JobStore,
} from './store.ts';

export interface JobStoreOptions {
  database: Database;
  clock: Clock;
  /** Maps a stored definition, which is valid, to its job. */
  toJob(definition: JobDefinition, jobId: number): Job;
  /** Returns a copy with masked secrets, for the audit. */
  redact(definition: JobDefinition): JobDefinition;
  /** Default: the user of the operating system, and all jobs. */
  access?: JobAccess;
  /** How often watchers are called back without a notification. Default 5,000. */
  pollMs?: number;
}

const CHANNEL = 'vedette_jobs';
const MAX_JOB_ID = 2 ** 31 - 1;

interface JobRow {
  job_id: number;
  definition: JobDefinition;
  version: number;
  running: boolean;
  source: 'file' | 'api';
  revision: number;
  created_at: Date;
  updated_at: Date;
  deleted_at: Date | null;
}

const COLUMNS = 'job_id, definition, version, running, source, revision, created_at, updated_at, deleted_at';

export function createJobStore(options: JobStoreOptions): JobStore {
  return new PostgresJobStore(options);
}

class PostgresJobStore implements JobStore {
  readonly #options: JobStoreOptions;
  readonly #database: Database;
  readonly #access: JobAccess;

  constructor(options: JobStoreOptions) {
    this.#options = options;
    this.#database = options.database;
    this.#access = options.access ?? { actor: systemActor(), tags: null };
  }

  as(access: JobAccess): JobStore {
    return new PostgresJobStore({ ...this.#options, access });
  }

  async get(jobId: number): Promise<StoredJob | null> {
    const row = await this.#find(this.#database, jobId);
    return row ? this.#toStored(row) : null;
  }

  async definitionOf(jobId: number): Promise<JobDefinition | null> {
    return (await this.#find(this.#database, jobId))?.definition ?? null;
  }

  async list(filter: JobFilter = {}): Promise<StoredJob[]> {
    const { sql, parameters } = listStatement(COLUMNS, filter, this.#access.tags);
    const { rows } = await this.#database.query<JobRow>(sql, parameters);
    return rows.map((row) => this.#toStored(row));
  }

  async count(filter: JobFilter = {}): Promise<number> {
    const { sql, parameters } = countStatement(filter, this.#access.tags);
    const { rows } = await this.#database.query<{ count: number }>(sql, parameters);
    return firstOf(rows).count;
  }

  async changedSince(revision: number, page?: JobPage): Promise<StoredJob[]> {
    const { rows } = await this.#database.query<JobRow>(
      `SELECT ${COLUMNS} FROM jobs WHERE revision >= $1 AND (revision, job_id) > ($1, $2)
       ORDER BY revision, job_id LIMIT $3`,
      [revision, page?.afterJobId ?? MAX_JOB_ID, page?.limit ?? null],
    );
    return rows.map((row) => this.#toStored(row));
  }

  create(definition: JobDefinition, { within }: { within?: Within<StoredJob> | undefined } = {}): Promise<StoredJob> {
    return this.#change(async (tx, revision) => {
      refuseOutside(definition, this.#access.tags);
      const jobId = (definition.job_id as number | undefined) ?? (await nextJobId(tx));
      await refuseInheritance(tx, jobId, this.#access.tags);
      const { rows } = await tx.query<JobRow>(
        `INSERT INTO jobs AS job (job_id, definition, version, running, source, revision)
         VALUES ($1, $2, 1, $3, 'api', $4)
         ON CONFLICT (job_id) DO UPDATE SET definition = excluded.definition, version = job.version + 1,
           running = excluded.running, source = 'api', revision = excluded.revision,
           created_at = now(), updated_at = now(), deleted_at = NULL
         WHERE job.deleted_at IS NOT NULL
         RETURNING ${COLUMNS}`,
        [jobId, { ...definition, job_id: jobId }, isEnabled(definition), revision],
      );
      const [row] = rows;
      if (row === undefined) throw alreadyExists(jobId);
      await this.#refuseGroups(tx, revision, [definition], {
        ...ONE_JOB,
        assigned: definition.job_id === undefined ? jobId : undefined,
      });
      return this.#toStored(row);
    }, within);
  }

  async update(jobId: number, given: JobDefinition, { ifVersion }: { ifVersion?: number } = {}): Promise<StoredJob> {
    const definition = { ...given, job_id: jobId };
    refuseOutside(definition, this.#access.tags);
    const known = await this.#editable(this.#database, jobId, ifVersion);
    // An unchanged definition makes no version and writes nothing.
    if (await isSame(this.#database, known, definition)) return this.#toStored(known);
    return this.#change(async (tx, revision) => {
      await this.#editable(tx, jobId, ifVersion);
      const { rows } = await tx.query<JobRow>(
        `UPDATE jobs SET definition = $2, version = version + 1, revision = $3, updated_at = now(),
           running = CASE WHEN coalesce((definition ->> 'enabled')::boolean, true) = $4 THEN running ELSE $4 END
         WHERE job_id = $1 RETURNING ${COLUMNS}`,
        [jobId, definition, revision, isEnabled(definition)],
      );
      await this.#refuseGroups(tx, revision, [definition]);
      return this.#toStored(firstOf(rows));
    });
  }

  remove(jobId: number, { ifVersion }: { ifVersion?: number } = {}): Promise<void> {
    return this.#change(async (tx, revision) => {
      await this.#editable(tx, jobId, ifVersion);
      await tx.query(
        `UPDATE jobs SET running = false, deleted_at = now(), updated_at = now(), revision = $2 WHERE job_id = $1`,
        [jobId, revision],
      );
    });
  }

  async setRunning(jobId: number, running: boolean): Promise<StoredJob> {
    const known = await this.#find(this.#database, jobId);
    if (known?.running === running) return this.#toStored(known);
    return this.#change(async (tx, revision) => {
      const row = await this.#find(tx, jobId);
      if (!row) throw notFound(jobId);
      if (row.running === running) return this.#toStored(row);
      const { rows } = await tx.query<JobRow>(
        `UPDATE jobs SET running = $2, revision = $3, updated_at = now() WHERE job_id = $1 RETURNING ${COLUMNS}`,
        [jobId, running, revision],
      );
      return this.#toStored(firstOf(rows));
    });
  }

  rotatePushToken(jobId: number, { within }: { within?: Within<string> | undefined } = {}): Promise<string> {
    return this.#change(async (tx) => {
      if (!(await this.#find(tx, jobId))) throw notFound(jobId);
      const token = await renewPushToken(tx, jobId);
      if (token === null) {
        const text = `Job ${jobId} is no push job: only these have a token to which their programs report`;
        throw new VedetteError('VED_JOB_WITHOUT_TOKEN', text);
      }
      const masked = { push_token: MASK };
      const entry = { action: 'job.rotate_token', subject: `job:${jobId}`, before: masked, after: masked };
      await writeAudit(tx, this.#access.actor, [entry]);
      return token;
    }, within);
  }

  changeAll(jobIds: readonly number[], change: BulkChange, { dryRun }: { dryRun?: boolean } = {}): Promise<number[]> {
    const { tags } = this.#access;
    if (dryRun) return this.#database.transaction(async (tx) => (await planBulk(tx, jobIds, change, tags)).changed);
    return this.#change(async (tx, revision) => {
      const { changed, write } = await planBulk(tx, jobIds, change, tags);
      await write(revision);
      return changed;
    });
  }

  applyFile(definitions: readonly JobDefinition[]): Promise<FileChanges> {
    const ids = definitions.map((definition) => definition.job_id as number);
    const texts = definitions.map((definition) => JSON.stringify(definition));
    return this.#change(async (tx, revision) => {
      const taken = await tx.query<{ job_id: number }>(
        `SELECT job_id FROM jobs WHERE source = 'api' AND deleted_at IS NULL AND job_id = ANY($1) ORDER BY job_id`,
        [ids],
      );
      if (taken.rows.length > 0) {
        const list = taken.rows.map((row) => row.job_id).join(', ');
        throw new VedetteError(
          'VED_JOBS_FILE_INVALID',
          `job_id: given ${list}, accepted: ids that no job made by the API has`,
        );
      }
      // The file starts or stops a job if it is new, or if its `enabled` changes in the file.
      const applied = await tx.query<{ job_id: number; fresh: boolean }>(
        `INSERT INTO jobs AS job (job_id, definition, version, running, source, revision)
         SELECT job_id, definition, 1, coalesce((definition ->> 'enabled')::boolean, true), 'file', $3
         FROM (SELECT job_id, definition::jsonb FROM unnest($1::int[], $2::text[]) AS given (job_id, definition)) AS given
         ORDER BY job_id
         ON CONFLICT (job_id) DO UPDATE SET definition = excluded.definition, version = job.version + 1, source = 'file',
           running = CASE
             WHEN job.deleted_at IS NULL
               AND coalesce((job.definition ->> 'enabled')::boolean, true) = excluded.running THEN job.running
             ELSE excluded.running END,
           created_at = CASE WHEN job.deleted_at IS NULL THEN job.created_at ELSE now() END,
           revision = excluded.revision, updated_at = now(), deleted_at = NULL
         WHERE job.deleted_at IS NOT NULL OR job.definition IS DISTINCT FROM excluded.definition
         RETURNING job_id, created_at = now() AS fresh`,
        [ids, texts, revision],
      );
      const removed = await tx.query<{ job_id: number }>(
        `UPDATE jobs SET running = false, deleted_at = now(), updated_at = now(), revision = $2
         WHERE source = 'file' AND deleted_at IS NULL AND NOT EXISTS (
           SELECT FROM unnest($1::int[]) AS given (job_id) WHERE given.job_id = jobs.job_id)
         RETURNING job_id`,
        [ids, revision],
      );
      await this.#refuseGroups(tx, revision, definitions, { code: 'VED_JOBS_FILE_INVALID', namesJob: true });
      const touched = new Set(applied.rows.map((row) => row.job_id));
      return {
        created: applied.rows.filter((row) => row.fresh).map((row) => row.job_id),
        changed: applied.rows.filter((row) => !row.fresh).map((row) => row.job_id),
        removed: removed.rows.map((row) => row.job_id),
        unchanged: ids.filter((jobId) => !touched.has(jobId)),
      };
    });
  }

  applyImport({ created, changed, removed }: JobImport): Promise<void> {
    const definitions = [...created, ...changed.map(({ definition }) => definition)];
    const expected = [
      ...created.map(({ job_id }) => ({ jobId: job_id as number, version: null })),
      ...changed.map(({ definition, version }) => ({ jobId: definition.job_id as number, version })),
      ...removed,
    ];
    return this.#change(async (tx, revision) => {
      const { rows } = await tx.query<{ job_id: number }>(
        `SELECT given.job_id FROM unnest($1::int[], $2::int[]) AS given (job_id, version)
         LEFT JOIN jobs ON jobs.job_id = given.job_id AND deleted_at IS NULL
         WHERE jobs.version IS DISTINCT FROM given.version OR jobs.source = 'file' ORDER BY 1`,
        [expected.map(({ jobId }) => jobId), expected.map(({ version }) => version)],
      );
      if (rows.length > 0) {
        const list = rows.map(({ job_id }) => job_id).join(', ');
        throw new VedetteError(
          'VED_VERSION_CONFLICT',
          `Jobs were changed by someone else meanwhile: ${list}; try again`,
        );
      }
      await tx.query(
        `INSERT INTO jobs AS job (job_id, definition, version, running, source, revision)
         SELECT job_id, definition, 1, coalesce((definition ->> 'enabled')::boolean, true), 'api', $3
         FROM (SELECT job_id, definition::jsonb FROM unnest($1::int[], $2::text[]) AS given (job_id, definition)) AS given
         ORDER BY job_id
         ON CONFLICT (job_id) DO UPDATE SET definition = excluded.definition, version = job.version + 1, source = 'api',
           running = excluded.running, revision = excluded.revision, updated_at = now(), deleted_at = NULL,
           created_at = CASE WHEN job.deleted_at IS NULL THEN job.created_at ELSE now() END`,
        [definitions.map(({ job_id }) => job_id), definitions.map((each) => JSON.stringify(each)), revision],
      );
      await tx.query(
        `UPDATE jobs SET running = false, deleted_at = now(), updated_at = now(), revision = $2 WHERE job_id = ANY($1)`,
        [removed.map(({ jobId }) => jobId), revision],
      );
      await this.#refuseGroups(tx, revision, definitions, { code: 'VED_VALIDATION', namesJob: true });
    });
  }

  async watch(onChange: () => void): Promise<() => Promise<void>> {
    const { clock, pollMs = 5_000 } = this.#options;
    let cancelPoll = () => {};
    const poll = () => {
      cancelPoll = clock.after(inStep(clock, pollMs), () => {
        onChange();
        poll();
      });
    };
    const unlisten = await this.#database.listen(CHANNEL, onChange);
    poll();
    return async () => {
      cancelPoll();
      await unlisten();
    };
  }

  /**
   * Runs `work` with the next revision, stores the definitions that it wrote as versions, and notifies the watchers.
   */
  #change<T>(work: (tx: Queryable, revision: number) => Promise<T>, within?: Within<T>): Promise<T> {
    const change = async (tx: Queryable) => {
      const { rows } = await tx.query<{ value: number }>('UPDATE job_revision SET value = value + 1 RETURNING value');
      const revision = firstOf(rows).value;
      const answer = await work(tx, revision);
      const edited = await tx.query<{ job_id: number }>(
        `INSERT INTO job_versions (job_id, version, definition)
         SELECT job_id, version, definition FROM jobs WHERE revision = $1 ON CONFLICT DO NOTHING RETURNING job_id`,
        [revision],
      );
      const changes = { revision, edited: edited.rows.map((row) => row.job_id) };
      await auditJobs(tx, this.#access.actor, changes, this.#options.redact);
      await keepPushTokens(tx, revision);
      await boundVersions(tx, revision);
      await this.#database.notify(CHANNEL, String(revision), tx);
      return answer;
    };
    return this.#database.transaction((tx) => (within ? within(tx, () => change(tx)) : change(tx)));
  }

  async #refuseGroups(
    tx: Queryable,
    revision: number,
    definitions: readonly JobDefinition[],
    refusal: GroupRefusal & { assigned?: number | undefined } = ONE_JOB,
  ): Promise<void> {
    if (!definitions.some(({ type }) => type === GROUP_TYPE)) return;
    await refuseGroups(tx, { revision, within: this.#access.tags, ...refusal });
  }

  async #editable(tx: Queryable, jobId: number, ifVersion: number | undefined): Promise<JobRow> {
    const row = await this.#find(tx, jobId);
    if (!row) throw notFound(jobId);
    if (row.source === 'file') {
      const text = `Job ${jobId} is managed by the job file: edit it there. The API may start and stop it.`;
      throw new VedetteError('VED_JOB_MANAGED_BY_FILE', text);
    }
    if (ifVersion !== undefined && ifVersion !== row.version) {
      const text = `Job ${jobId} is at version ${row.version} by now, given ${ifVersion}: read it again`;
      throw new VedetteError('VED_VERSION_CONFLICT', text);
    }
    return row;
  }

  async #find(database: Queryable, jobId: number): Promise<JobRow | null> {
    const { rows } = await database.query<JobRow>(
      `SELECT ${COLUMNS} FROM jobs
       WHERE job_id = $1 AND deleted_at IS NULL AND ($2::text[] IS NULL OR definition -> 'tags' ?| $2)`,
      [jobId, this.#access.tags],
    );
    return rows[0] ?? null;
  }

  #toStored(row: JobRow): StoredJob {
    return {
      job: this.#options.toJob(row.definition, row.job_id),
      version: row.version,
      running: row.running,
      source: row.source,
      revision: row.revision,
      createdAt: row.created_at,
      updatedAt: row.updated_at,
      deleted: row.deleted_at !== null,
    };
  }
}

/** Whether the row's definition equals the given one as JSONB: order and notation are ignored. */
async function isSame(database: Queryable, { job_id, version }: JobRow, definition: JobDefinition): Promise<boolean> {
  const { rows } = await database.query<{ same: boolean }>(
    'SELECT definition = $3::jsonb AS same FROM jobs WHERE job_id = $1 AND version = $2 AND deleted_at IS NULL',
    [job_id, version, definition],
  );
  return rows[0]?.same ?? false;
}

const ONE_JOB: GroupRefusal = { code: 'VED_VALIDATION', namesJob: false };

const isEnabled = (definition: JobDefinition): boolean => definition.enabled !== false;

const notFound = (jobId: number) => new VedetteError('VED_JOB_NOT_FOUND', `There is no job ${jobId}`);
