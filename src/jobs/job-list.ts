import type { JobFilter } from './job-store.ts';

/** The SELECT of a job list: keyset pages in order of job_id, every value bound. */
export function listStatement(columns: string, filter: JobFilter): { sql: string; parameters: unknown[] } {
  const parameters: unknown[] = [];
  const conditions = ['deleted_at IS NULL'];
  const bind = (value: unknown) => `$${parameters.push(value)}`;
  if (filter.q) {
    const like = bind(`%${filter.q.replace(/[\\%_]/g, '\\$&')}%`);
    conditions.push(`(shown_name ILIKE ${like} OR shown_address ILIKE ${like})`);
  }
  if (filter.running !== undefined) conditions.push(`running = ${bind(filter.running)}`);
  if (filter.tag) conditions.push(`definition -> 'tags' ? ${bind(filter.tag)}`);
  if (filter.outcome) {
    conditions.push(`EXISTS (SELECT FROM series_progress AS series
      WHERE series.job_id = jobs.job_id AND series.last_outcome = ${bind(filter.outcome)})`);
  }
  if (filter.afterJobId !== undefined) conditions.push(`job_id > ${bind(filter.afterJobId)}`);
  const limit = filter.limit === undefined ? '' : ` LIMIT ${bind(filter.limit)}`;
  const sql = `SELECT ${columns} FROM jobs WHERE ${conditions.join(' AND ')} ORDER BY job_id${limit}`;
  return { sql, parameters };
}
