import type { JobFilter, JobSort } from './store.ts';

interface Statement {
  sql: string;
  parameters: unknown[];
}

/** Columns that lists show and can be sorted by; each has an index. */
const KEYS = {
  job_id: { column: 'job_id', type: 'integer' },
  job_name: { column: 'lower(shown_name)', type: 'text' },
  created_at: { column: "date_trunc('milliseconds', created_at)", type: 'timestamptz' },
  updated_at: { column: "date_trunc('milliseconds', updated_at)", type: 'timestamptz' },
} as const;

/** Returns the SELECT of a page of jobs: keyset pagination, all values bound. `within`: only jobs with one of these tags. */
export function listStatement(columns: string, filter: JobFilter, within: readonly string[] | null = null): Statement {
  const { where, parameters, bind } = conditionsOf(filter, within);
  const { sort = 'job_id', after } = filter;
  const { column, type, isDescending } = keyOf(sort);
  if (after) {
    const key = type === 'timestamptz' ? new Date(after.key).toISOString() : after.key;
    const bound = type === 'text' ? `lower(${bind(key)}::text)` : `${bind(key)}::${type}`;
    where.push(`(${column}, job_id) ${isDescending ? '<' : '>'} (${bound}, ${bind(after.jobId)}::integer)`);
  }
  const order = isDescending ? 'DESC' : 'ASC';
  const limit = filter.limit === undefined ? '' : ` LIMIT ${bind(filter.limit)}`;
  const sql = `SELECT ${columns} FROM jobs WHERE ${where.join(' AND ')} ORDER BY ${column} ${order}, job_id ${order}${limit}`;
  return { sql, parameters };
}

/** Returns the SELECT that counts the jobs of all pages. */
export function countStatement(filter: JobFilter, within: readonly string[] | null = null): Statement {
  const { where, parameters } = conditionsOf(filter, within);
  return { sql: `SELECT count(*)::integer AS count FROM jobs WHERE ${where.join(' AND ')}`, parameters };
}

function keyOf(sort: JobSort): { column: string; type: string; isDescending: boolean } {
  const isDescending = sort.startsWith('-');
  const key = (isDescending ? sort.slice(1) : sort) as keyof typeof KEYS;
  return { ...KEYS[key], isDescending };
}

function conditionsOf({ q, running, tags, outcomes }: JobFilter, within: readonly string[] | null) {
  const parameters: unknown[] = [];
  const where = ['deleted_at IS NULL'];
  const bind = (value: unknown) => `$${parameters.push(value)}`;
  if (q) {
    const like = bind(`%${q.replace(/[\\%_]/g, '\\$&')}%`);
    where.push(`(shown_name ILIKE ${like} OR shown_address ILIKE ${like})`);
  }
  if (running !== undefined) where.push(`running = ${bind(running)}`);
  if (within) where.push(`definition -> 'tags' ?| ${bind(within)}::text[]`);
  if (tags) where.push(`definition -> 'tags' ?& ${bind(tags)}::text[]`);
  if (outcomes) {
    where.push(`EXISTS (SELECT FROM series_progress AS series
      WHERE series.job_id = jobs.job_id AND series.last_outcome = ANY(${bind(outcomes)}::text[]))`);
  }
  return { where, parameters, bind };
}
