import { VedetteError } from '../errors.ts';
import type { Queryable } from '../postgres/database.ts';
import { MAX_TAGS } from './fields.ts';
import { refuseOutside } from './reach.ts';
import type { BulkChange, JobDefinition } from './store.ts';

interface BulkRow {
  job_id: number;
  definition: JobDefinition;
  running: boolean;
  source: 'file' | 'api';
}

/** The effect of a change of several jobs; nothing is written before `write`. */
export interface BulkPlan {
  /** Jobs that the change would modify, in order. */
  changed: number[];
  write(revision: number): Promise<void>;
}

/**
 * Locks the jobs until the transaction ends. `within`: only jobs with one of these tags are there. Throws as
 * JobStore.changeAll does.
 */
export async function planBulk(
  tx: Queryable,
  jobIds: readonly number[],
  change: BulkChange,
  within: readonly string[] | null = null,
): Promise<BulkPlan> {
  const { rows } = await tx.query<BulkRow>(
    `SELECT job_id, definition, running, source FROM jobs
     WHERE job_id = ANY($1) AND deleted_at IS NULL AND ($2::text[] IS NULL OR definition -> 'tags' ?| $2)
     ORDER BY job_id FOR UPDATE`,
    [jobIds, within],
  );
  refuseMissing(jobIds, rows);
  if (change.action !== 'start' && change.action !== 'stop') refuseFileJobs(rows);
  const idsOf = (changed: readonly BulkRow[]) => changed.map(({ job_id: jobId }) => jobId);
  switch (change.action) {
    case 'start':
    case 'stop': {
      const isStart = change.action === 'start';
      const changed = idsOf(rows.filter(({ running }) => running !== isStart));
      const sql = 'UPDATE jobs SET running = $3, updated_at = now(), revision = $2 WHERE job_id = ANY($1)';
      return { changed, write: async (revision) => void (await tx.query(sql, [changed, revision, isStart])) };
    }
    case 'remove': {
      const changed = idsOf(rows);
      const sql = `UPDATE jobs SET running = false, deleted_at = now(), updated_at = now(), revision = $2
        WHERE job_id = ANY($1)`;
      return { changed, write: async (revision) => void (await tx.query(sql, [changed, revision])) };
    }
    case 'tag':
    case 'untag': {
      const edits = rows.flatMap((row) => retagged(row, change));
      for (const { definition } of edits) refuseOutside(definition, within);
      const sql = `UPDATE jobs SET definition = given.definition::jsonb, version = version + 1, updated_at = now(), revision = $3
        FROM unnest($1::int[], $2::text[]) AS given (job_id, definition) WHERE jobs.job_id = given.job_id`;
      const changed = edits.map(({ jobId }) => jobId);
      const texts = edits.map(({ definition }) => JSON.stringify(definition));
      return { changed, write: async (revision) => void (await tx.query(sql, [changed, texts, revision])) };
    }
  }
}

function refuseMissing(jobIds: readonly number[], rows: readonly BulkRow[]): void {
  const known = new Set(rows.map((row) => row.job_id));
  const missing = jobIds.filter((jobId) => !known.has(jobId));
  if (missing.length === 0) return;
  const text = `There is no job ${named(missing)}${jobIds.length > 1 ? '; nothing was changed' : ''}`;
  throw new VedetteError('VED_JOB_NOT_FOUND', text);
}

function refuseFileJobs(rows: readonly BulkRow[]): void {
  const fixed = rows.filter(({ source }) => source === 'file').map((row) => row.job_id);
  if (fixed.length === 0) return;
  const text = `The job file manages ${named(fixed)}: edit it there; nothing was changed`;
  throw new VedetteError('VED_JOB_MANAGED_BY_FILE', text);
}

function retagged({ job_id: jobId, definition }: BulkRow, { action, tags }: BulkChange & { tags: readonly string[] }) {
  const before = (definition.tags as readonly string[] | undefined) ?? [];
  const after = action === 'tag' ? [...new Set([...before, ...tags])] : before.filter((tag) => !tags.includes(tag));
  if (after.length > MAX_TAGS) {
    const text = `Job ${jobId} would have ${after.length} tags, accepted: at most ${MAX_TAGS}; nothing was changed`;
    const problem = { path: 'tags', given: tags, accepted: `tags that leave job ${jobId} at most ${MAX_TAGS}` };
    throw new VedetteError('VED_VALIDATION', text, { problems: [problem] });
  }
  return after.length === before.length ? [] : [{ jobId, definition: { ...definition, tags: after } }];
}

const NAMED = 20;
const named = (ids: readonly number[]): string =>
  ids.length > NAMED ? `${ids.slice(0, NAMED).join(', ')} and ${ids.length - NAMED} more` : ids.join(', ');
