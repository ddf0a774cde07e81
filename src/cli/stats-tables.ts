import type { Database } from '../postgres/database.ts';
import { formatBytes } from '../settings/leaf.ts';
import { type NumberedJob, readDatabaseFacts } from '../stats/index.ts';
import type { Cli } from './context.ts';
import type { JobNumbers } from './job-numbers.ts';
import { type Column, formatCount, formatCsv, formatSeconds, formatTable, type Style } from './output.ts';
import { formatInstant, type TimeRange } from './time.ts';

/** Numbers stay when a job goes, and others may publish results under an id that no job has. */
export function showName({ name, job }: NumberedJob): string {
  if (job === 'none') return '(no job)';
  return job === 'removed' ? `${name} (removed)` : `${name}`;
}

/** Shares are never rounded up to a perfect 100 %. */
export function formatShare(share: number | null): string {
  if (share === null) return '-';
  const percent = share * 100;
  if (share < 1 && percent > 99.99) return `${(Math.floor(percent * 1e4) / 1e4).toFixed(4)}%`;
  return `${percent.toFixed(share === 1 ? 0 : 2)}%`;
}

export function formatNumbers(
  rows: readonly JobNumbers[],
  range: TimeRange & { granularity: string },
  format: string,
  style: Style,
): string {
  if (format === 'json') {
    const { fromMs, toMs, granularity } = range;
    const jobs = rows.map(toWire);
    const document = { from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString(), granularity, jobs };
    return JSON.stringify(document, null, 2);
  }
  if (format === 'csv') return formatCsv(rows, CSV);
  const { fromMs, toMs, granularity } = range;
  const title = style.dim(`${formatInstant(fromMs)} to ${formatInstant(toMs)}, from the numbers per ${granularity}`);
  if (rows.length === 0) return `${title}\nThere are no jobs.`;
  const uptimeStyle = ({ uptime }: JobNumbers) =>
    uptime === null ? style.dim : uptime >= 0.999 ? style.green : uptime >= 0.95 ? style.yellow : style.red;
  const right = 'right' as const;
  const time = (title: string, value: (row: JobNumbers) => number | null): Column<JobNumbers> => ({
    title,
    value: (row) => formatSeconds(value(row)),
    align: right,
  });
  const columns: Column<JobNumbers>[] = [
    { title: 'job', value: ({ jobId }) => String(jobId), align: right },
    { title: 'uptime', value: ({ uptime }) => formatShare(uptime), align: right, style: uptimeStyle },
    { title: 'coverage', value: ({ coverage }) => formatShare(coverage), align: right },
    { title: 'known', value: ({ known }) => formatShare(known), align: right },
    { title: 'results', value: ({ count }) => formatCount(count), align: right },
    { title: 'down', value: ({ down }) => formatCount(down), align: right },
    { title: 'missed', value: ({ missed }) => formatCount(missed), align: right },
    time('min', ({ min }) => min),
    time('p50', ({ p50 }) => p50),
    time('p95', ({ p95 }) => p95),
    time('max', ({ max }) => max),
    { title: 'codes', value: ({ codes }) => showCounters(codes) },
    { title: 'name', value: showName },
  ];
  return `${title}\n${formatTable(rows, columns, style)}`;
}

const number = (value: number | null): string => (value === null ? '' : String(value));

const CSV: Column<JobNumbers>[] = [
  { title: 'job_id', value: ({ jobId }) => String(jobId) },
  { title: 'job_name', value: ({ name }) => name ?? '' },
  ...(['uptime', 'coverage', 'known', 'due', 'count', 'up', 'degraded', 'down', 'missed'] as const).map((title) => ({
    title,
    value: (row: JobNumbers) => number(row[title]),
  })),
  ...(['min', 'avg', 'p50', 'p95', 'p99', 'max'] as const).map((name) => ({
    title: `rt_${name}`,
    value: (row: JobNumbers) => number(row[name]),
  })),
  { title: 'codes', value: ({ codes }) => JSON.stringify(codes) },
  { title: 'reasons', value: ({ reasons }) => JSON.stringify(reasons) },
  { title: 'job', value: ({ job }) => job },
];

function toWire({ jobId, name, job, min, avg, p50, p95, p99, max, ...counts }: JobNumbers): Record<string, unknown> {
  return { job_id: jobId, job_name: name, job, ...counts, response_time: { min, avg, p50, p95, p99, max } };
}

const showCounters = (counters: Record<string, number>): string =>
  Object.entries(counters)
    .sort(([, a], [, b]) => b - a)
    .map(([code, count]) => `${code}:${count}`)
    .join(' ');

export async function showDatabase({ stdout }: Cli, database: Database, format: string): Promise<void> {
  const facts = await readDatabaseFacts(database);
  if (format === 'json') return stdout.json(facts);
  const tables = facts.tables.filter(({ bytes }) => bytes > 0);
  const columns: Column<(typeof tables)[number]>[] = [
    { title: 'table', value: ({ table }) => table },
    { title: 'rows', value: ({ estimatedRows }) => (estimatedRows < 0 ? '' : String(estimatedRows)), align: 'right' },
    { title: 'bytes', value: ({ bytes }) => String(bytes), align: 'right' },
  ];
  if (format === 'csv') return stdout.line(formatCsv(tables, columns));
  const { style } = stdout;
  const { jobs, stream } = facts;
  stdout.line(
    `${style.bold(facts.database)}, schema ${facts.schema}, PostgreSQL ${facts.serverVersion}, ${showSize(facts.databaseBytes)}`,
  );
  stdout.line(`jobs: ${jobs.total}, running: ${jobs.running}`);
  stdout.line(
    `results counted: ${formatCount(stream.results)}, foreign: ${formatCount(stream.foreignResults)}, ` +
      `repetitions dropped: ${formatCount(stream.duplicates)}, fenced: ${formatCount(stream.fenced)}, ` +
      `unreadable: ${formatCount(stream.deadLetters)}`,
  );
  columns[1] = {
    ...columns[1]!,
    title: 'rows (estimate)',
    value: ({ estimatedRows }) => (estimatedRows < 0 ? '?' : formatCount(estimatedRows)),
  };
  columns[2] = { ...columns[2]!, title: 'size', value: ({ bytes }) => showSize(bytes) };
  stdout.line(
    formatTable(
      tables.toSorted((a, b) => b.bytes - a.bytes),
      columns,
      style,
    ),
  );
}

function showSize(count: number): string {
  const unit = count >= 2 ** 30 ? 2 ** 30 : count >= 2 ** 20 ? 2 ** 20 : count >= 2 ** 10 ? 2 ** 10 : 1;
  const rounded = count / unit >= 100 || unit === 1 ? Math.round(count / unit) : Math.round((count / unit) * 10) / 10;
  return `${rounded} ${formatBytes(unit).slice(1)}`;
}
