import { type Actor, type AuditEntry, writeAudit } from '../access/audit.ts';
import type { Queryable } from '../postgres/database.ts';
import type { JobDefinition } from './store.ts';

/** More changed jobs than this are one entry: a file of 100,000 jobs is no 100,000 decisions. */
const MAX_ENTRIES = 10_000;
const NAMED_IDS = 1_000;

interface ChangedJob {
  job_id: number;
  running: boolean;
  isGone: boolean;
  isNew: boolean;
  isEdited: boolean;
  after: JobDefinition;
  before: JobDefinition | null;
}

/**
 * Notes the jobs of a revision, once its versions are stored. `edited`: those that got a version with it.
 */
export async function auditJobs(
  tx: Queryable,
  actor: Actor,
  { revision, edited }: { revision: number; edited: readonly number[] },
  mask: (definition: JobDefinition) => JobDefinition,
): Promise<void> {
  const counted = await tx.query<{ ids: number[] }>(
    'SELECT coalesce(array_agg(job_id ORDER BY job_id), ARRAY[]::integer[]) AS ids FROM jobs WHERE revision = $1',
    [revision],
  );
  const ids = counted.rows[0]?.ids ?? [];
  if (ids.length > MAX_ENTRIES) {
    const after = { jobs: ids.length, first_ids: ids.slice(0, NAMED_IDS) };
    return writeAudit(tx, actor, [{ action: 'job.change', subject: 'jobs', before: null, after }]);
  }
  const { rows } = await tx.query<ChangedJob>(
    `SELECT jobs.job_id, running, deleted_at IS NOT NULL AS "isGone", created_at = now() AS "isNew",
       jobs.job_id = ANY ($2) AS "isEdited", jobs.definition AS after, former.definition AS before
     FROM jobs LEFT JOIN job_versions AS former ON former.job_id = jobs.job_id AND former.version = jobs.version - 1
     WHERE revision = $1 ORDER BY jobs.job_id`,
    [revision, edited],
  );
  await writeAudit(
    tx,
    actor,
    rows.map((row) => toEntry(row, mask)),
  );
}

function toEntry(job: ChangedJob, mask: (definition: JobDefinition) => JobDefinition): AuditEntry {
  const { job_id: jobId, running, after } = job;
  const subject = `job:${jobId}`;
  if (job.isGone) return { action: 'job.remove', subject, before: mask(after), after: null };
  if (job.isNew) return { action: 'job.add', subject, before: null, after: mask(after) };
  if (job.isEdited)
    return { action: 'job.update', subject, before: job.before && mask(job.before), after: mask(after) };
  return { action: running ? 'job.start' : 'job.stop', subject, before: { running: !running }, after: { running } };
}
