import {
  type DatabaseFacts,
  formatCount,
  formatInstant,
  formatSeconds,
  formatShare,
  formatSize,
  type JobNumbers,
  type NumberedJob,
  type Numbers,
  type TableFacts,
  type TimeRange,
} from '../../stats/index.ts';
import type { Cli } from '../context.ts';
import type { Output, Style } from '../terminal/output.ts';
import { type Column, formatCsv, formatTable } from '../terminal/table.ts';

/** Numbers stay when a job goes, and others may publish results under an id that no job has. */
export function showName({ name, job }: NumberedJob): string {
  if (job === 'none') return '(no job)';
  return job === 'removed' ? `${name} (removed)` : `${name}`;
}

export const FORMATS = ['table', 'json', 'csv'] as const;

/** Ranks of the percentiles of the response time, in the order of `responseTimes`. */
export const RANKS = [50, 95, 99];

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
  const columns: Column<JobNumbers>[] = [
    { title: 'job', value: ({ jobId }) => String(jobId), align: 'right' },
    ...numberColumns(rows, style),
    { title: 'name', value: showName },
  ];
  return `${title}\n${formatTable(rows, columns, style)}`;
}

/** What numbers show of themselves, whatever they belong to. */
export function numberColumns(rows: readonly Numbers[], style: Style): Column<Numbers>[] {
  const uptimeStyle = ({ uptime }: Numbers) =>
    uptime === null ? style.dim : uptime >= 0.999 ? style.green : uptime >= 0.95 ? style.yellow : style.red;
  const right = 'right' as const;
  const time = (title: string, value: (row: Numbers) => number | null): Column<Numbers> => ({
    title,
    value: (row) => formatSeconds(value(row)),
    align: right,
  });
  return [
    { title: 'uptime', value: ({ uptime }) => formatShare(uptime), align: right, style: uptimeStyle },
    { title: 'coverage', value: ({ coverage }) => formatShare(coverage), align: right },
    { title: 'known', value: ({ known }) => formatShare(known), align: right },
    { title: 'results', value: ({ count }) => formatCount(count), align: right },
    { title: 'down', value: ({ down }) => formatCount(down), align: right },
    { title: 'missed', value: ({ missed }) => formatCount(missed), align: right },
    time('min', ({ min }) => min),
    time('p50', (row) => responseTimes(row).p50),
    time('p95', (row) => responseTimes(row).p95),
    time('max', ({ max }) => max),
    { title: 'codes', value: ({ codes }) => showCounters(codes) },
    ...(rows.some(({ extra }) => Object.keys(extra).length > 0)
      ? [{ title: 'metrics', value: ({ extra }: Numbers) => showExtra(extra) }]
      : []),
  ];
}

function number(value: number | null): string {
  return value === null ? '' : String(value);
}

/** Configured metrics. */
export const EXTRA_CSV: Column<Numbers> = { title: 'extra', value: ({ extra }) => JSON.stringify(extra) };

const CSV: Column<JobNumbers>[] = [
  { title: 'job_id', value: ({ jobId }) => String(jobId) },
  { title: 'job_name', value: ({ name }) => name ?? '' },
  ...csvOf(),
  { title: 'job', value: ({ job }) => job },
  EXTRA_CSV,
];

/** The columns of numbers, whatever they belong to. */
export function csvOf(): Column<Numbers>[] {
  return [
    ...(['uptime', 'coverage', 'known', 'due', 'count', 'up', 'degraded', 'down', 'missed'] as const).map((title) => ({
      title,
      value: (row: Numbers) => number(row[title]),
    })),
    ...(['min', 'avg', 'p50', 'p95', 'p99', 'max'] as const).map((name) => ({
      title: `rt_${name}`,
      value: (row: Numbers) => number(responseTimes(row)[name]),
    })),
    { title: 'codes', value: ({ codes }) => JSON.stringify(codes) },
    { title: 'reasons', value: ({ reasons }) => JSON.stringify(reasons) },
  ];
}

function responseTimes(row: Numbers) {
  const { min, avg, max, percentiles } = row;
  const [p50 = null, p95 = null, p99 = null] = percentiles;
  return { min, avg, p50, p95, p99, max };
}

function toWire(row: JobNumbers): Record<string, unknown> {
  return { job_id: row.jobId, job_name: row.name, job: row.job, ...toWireNumbers(row) };
}

/** Numbers in JSON, response times in seconds. */
export function toWireNumbers(row: Numbers): Record<string, unknown> {
  const { count, up, degraded, down, missed, uptime, coverage, known, due, codes, reasons, extra } = row;
  const numbers = { count, up, degraded, down, missed, uptime, coverage, known, due, codes, reasons, extra };
  return { ...numbers, response_time: responseTimes(row) };
}

/** Configured metrics, numbers rounded for people. */
const showExtra = (extra: Record<string, unknown>): string =>
  Object.entries(extra)
    .map(
      ([key, value]) =>
        `${key} ${JSON.stringify(value, (_key, item) => (typeof item === 'number' ? Number(item.toPrecision(6)) : item))}`,
    )
    .join('  ');

const showCounters = (counters: Record<string, number>): string =>
  Object.entries(counters)
    .sort(([, a], [, b]) => b - a)
    .map(([code, count]) => `${code}:${count}`)
    .join(' ');

export function showDatabase({ stdout }: Cli, facts: DatabaseFacts, format: string): void {
  const tables = facts.tables.filter(({ bytes }) => bytes > 0);
  if (format === 'json') stdout.json(facts);
  else if (format === 'csv') stdout.line(formatCsv(tables, TABLES_CSV));
  else showTables(stdout, facts, tables);
}

function showTables(stdout: Output, facts: DatabaseFacts, tables: readonly TableFacts[]): void {
  const { style } = stdout;
  const { jobs, stream } = facts;
  stdout.line(
    `${style.bold(facts.database)}, schema ${facts.schema}, PostgreSQL ${facts.serverVersion}, ${formatSize(facts.databaseBytes)}`,
  );
  stdout.line(`jobs: ${jobs.total}, running: ${jobs.running}`);
  stdout.line(
    `results counted: ${formatCount(stream.results)}, foreign: ${formatCount(stream.foreignResults)}, ` +
      `repetitions dropped: ${formatCount(stream.duplicates)}, fenced: ${formatCount(stream.fenced)}, ` +
      `unreadable: ${formatCount(stream.deadLetters)}`,
  );
  const bySize = tables.toSorted((a, b) => b.bytes - a.bytes);
  stdout.line(formatTable(bySize, TABLES, style));
}

const TABLES_CSV: Column<TableFacts>[] = [
  { title: 'table', value: ({ table }) => table },
  { title: 'rows', value: ({ estimatedRows }) => (estimatedRows < 0 ? '' : String(estimatedRows)) },
  { title: 'bytes', value: ({ bytes }) => String(bytes) },
];

const TABLES: Column<TableFacts>[] = [
  { title: 'table', value: ({ table }) => table },
  {
    title: 'rows (estimate)',
    value: ({ estimatedRows }) => (estimatedRows < 0 ? '?' : formatCount(estimatedRows)),
    align: 'right',
  },
  { title: 'size', value: ({ bytes }) => formatSize(bytes), align: 'right' },
];
