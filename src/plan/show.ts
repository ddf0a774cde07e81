import { formatDuration } from '../core/duration.ts';
import { readableSize } from '../core/readable-size.ts';
import { COSTS } from './costs.ts';
import type { Plan, ProcessPlan, TablePlan } from './plan.ts';
import type { Workload } from './workload.ts';

const MEANING: Readonly<Record<Plan['shape'], string>> = {
  'one process': '`vedette serve` carries it, with the embedded PostgreSQL or with yours',
  'roles apart': 'each role in processes of its own, on a PostgreSQL of your own that holds the stream too',
  'roles apart, on Kafka': 'each role in processes of its own, results through Kafka',
};

/** Returns the plan as text of at most 100 columns; `table` formats rows under their titles. */
export function showPlan(
  plan: Plan,
  workload: Workload,
  table: (titles: readonly string[], rows: ReadonlyArray<readonly string[]>) => string,
): string {
  const { diskBytes, postgres, network, partitions } = plan;
  const sizes = [...plan.tables].sort((a, b) => b.bytes - a.bytes);
  const days = formatDuration(workload.afterMs);
  const reports = plan.reportsPerSecond > 0 ? ` and ${count(plan.reportsPerSecond)} reports` : '';
  const needed =
    partitions.needed > partitions.given
      ? `${partitions.given} partitions are few: take ${partitions.needed} (stream.partitions) before the first start`
      : `${partitions.given} partitions are enough`;
  return [
    `${count(plan.jobs)} jobs, ${count(plan.checksPerSecond)} checks a second${reports}, ${count(plan.resultsPerDay)} results a day; about ${count(plan.checksUnderWay)} checks under way at a time`,
    '',
    `${plan.shape}: ${MEANING[plan.shape]}`,
    '',
    table(
      ['process', 'how many', 'CPU of each', 'memory of each'],
      plan.processes.map((process) => [
        process.role === 'all' ? 'serve' : process.role,
        howMany(process),
        cores(process.cores),
        readableSize(process.memoryBytes),
      ]),
    ),
    '',
    `PostgreSQL: ${cores(postgres.cores)}, ${count(postgres.rowsPerSecond)} rows written a second, ${readableSize(postgres.walBytesPerDay)} of WAL a day`,
    `Network: ${readableSize(network.checksBytesPerSecond)}/s to and from what is checked, ${readableSize(network.streamBytesPerSecond)}/s into the stream`,
    needed,
    '',
    table([`on disk after ${days}`, 'kept', 'rows', 'size'], sizes.map(tableRow)),
    '',
    total(diskBytes),
  ].join('\n');
}

/** Returns every cost with the benchmark that measured it. */
export function showCosts(
  table: (titles: readonly string[], rows: ReadonlyArray<readonly string[]>) => string,
): string {
  const rows = Object.values(COSTS).map(({ value, unit, measured }) => {
    const shown = typeof value === 'number' ? String(value) : value.map(([n, each]) => `${each} (${n})`).join(', ');
    return [shown, unit, measured];
  });
  return table(['cost', 'of what', 'measured by'], rows);
}

function tableRow({ name, keptMs, rows, bytes }: TablePlan): string[] {
  return [name, keptMs === null ? 'for ever' : formatDuration(keptMs), count(rows), readableSize(bytes)];
}

function howMany({ role, count }: ProcessPlan): string {
  return role === 'all' ? '1' : `${count}, one of them spare`;
}

function total({ postgres, kafka }: Plan['diskBytes']): string {
  const ofKafka = kafka > 0 ? `, ${readableSize(kafka)} for the brokers of Kafka together` : '';
  return `Disk: ${readableSize(postgres)} for PostgreSQL${ofKafka}; have half as much again free`;
}

const cores = (share: number): string =>
  share < 1 ? `${Math.ceil(share * 100)} % of a core` : `${share.toFixed(1)} cores`;

/** Returns three significant digits, in groups: 144 000 000. */
function count(value: number): string {
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.max(value, 1))));
  const rounded = value >= 1_000 ? Number(value.toPrecision(3)) : Number(value.toFixed(Math.min(digits, 2)));
  return String(rounded).replace(/\B(?=(\d{3})+$)/g, ' ');
}
