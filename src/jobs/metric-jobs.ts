import { firstOf } from '../core/first-of.ts';
import type { Database, Queryable } from '../postgres/database.ts';
import type { Job } from './definition.ts';
import type { JobMetric } from './fields.ts';
import type { JobDefinition } from './store.ts';

/** What decides which metrics a job has. */
interface MetricJob {
  jobId: number;
  type: string;
  tags: readonly string[];
  /** Its own ones. */
  metrics: readonly JobMetric[];
}

interface MetricJobsOptions {
  database: Database;
  toJob(definition: JobDefinition, jobId: number): Job;
  /** Whether there are metrics by type or tag; if not, only jobs with metrics of their own are read. */
  bySelection: boolean;
}

/** Reads which metrics jobs have; of a job that was removed, those it had last. */
export function createMetricJobs({ database, toJob, bySelection }: MetricJobsOptions) {
  const found = (rows: readonly Row[]) => rows.map((row) => toMetricJob(row, toJob));
  const own = bySelection ? '' : "AND definition ? 'metrics'";
  return {
    async read(jobIds: readonly number[]): Promise<MetricJob[]> {
      const { rows } = await database.query<Row>(`${SELECT} WHERE job_id = ANY ($1) ${own}`, [jobIds]);
      return found(rows);
    },
    async readAll(): Promise<MetricJob[]> {
      const { rows } = await database.query<Row>(`${SELECT} WHERE true ${own}`);
      return found(rows);
    },
    async changedSince(revision: number | null): Promise<{ revision: number; jobs: MetricJob[] }> {
      // Read first: a change in between is read again the next time.
      const upTo = await readRevision(database);
      if (revision === null || upTo === revision) return { revision: upTo, jobs: [] };
      const { rows } = await database.query<Row>(`${SELECT} WHERE revision > $1`, [revision]);
      return { revision: upTo, jobs: found(rows) };
    },
  };
}

interface Row {
  jobId: number;
  definition: JobDefinition;
}

/** Only what is needed of a definition: there may be very many jobs. */
const SELECT = `SELECT job_id AS "jobId", jsonb_strip_nulls(jsonb_build_object('type', definition -> 'type', 'uri', definition -> 'uri',
    'tags', definition -> 'tags', 'metrics', definition -> 'metrics')) AS definition
  FROM jobs`;

function toMetricJob({ jobId, definition }: Row, toJob: MetricJobsOptions['toJob']): MetricJob {
  const { type, tags, metrics = [] } = toJob(definition, jobId);
  return { jobId, type, tags, metrics };
}

async function readRevision(database: Queryable): Promise<number> {
  const { rows } = await database.query<{ value: number }>('SELECT value FROM job_revision');
  return firstOf(rows).value;
}
