import type { Database } from '../../src/storage/database.ts';
import type { ForeignLine } from './strangers.ts';
import { servingMs } from './target-log.ts';

/** What the target says it served: per `<job_id>/<slot>` the statuses sent, 0 for a request whose client went away. */
export type ServedLog = ReadonlyMap<string, readonly number[]>;

export interface Audit {
  /** What is wrong, in words; empty when every rule held. */
  problems: string[];
  /** Slots that were due according to the closed spans. */
  due: number;
  counted: number;
  answered: number;
  missed: number;
  /** Requests the target served for slots that are counted as missed. */
  servedButMissed: number;
}

interface Span {
  job_id: number;
  location: string;
  from_slot: number;
  to_slot: number | null;
  period_ms: number | null;
}

interface RawResult {
  job_id: number;
  location: string;
  slot: number;
  slots: number;
  period_ms: number | null;
  outcome: string;
  reason: string | null;
  status: string | null;
  rt: number | null;
}

interface MinuteRow {
  job_id: number;
  location: string;
  granularity: string;
  dt_ms: number;
  count: number;
  up: number;
  degraded: number;
  down: number;
  missed: number;
  rt_count: number;
  rt_min: number | null;
  rt_max: number | null;
  rt_sum: number;
  data: Record<string, number>;
}

/**
 * Holds the promise against what an independent target saw: every slot of every closed span is exactly one counted
 * result; every answered result was served, with that status; what was served beyond that belongs to missed slots; and
 * every aggregate row is the sum of its raw results, or of the `foreign` lines of a job that only others check. Needs
 * `results.store: all`.
 */
export async function audit(
  database: Database,
  served: ServedLog,
  foreign: readonly ForeignLine[] = [],
): Promise<Audit> {
  const spans = (
    await database.query<Span>('SELECT job_id, location, from_slot, to_slot, period_ms FROM schedule_spans')
  ).rows;
  const results = (
    await database.query<RawResult>(
      'SELECT job_id, location, slot, slots, period_ms, outcome, reason, status, rt FROM results WHERE slot IS NOT NULL',
    )
  ).rows;
  const report: Audit = { problems: [], due: 0, counted: 0, answered: 0, missed: 0, servedButMissed: 0 };
  const counted = countSlots(results, report);
  compareWithSpans(spans, counted, report);
  compareWithTarget(counted, served, report);
  await compareWithAggregates(database, [...results, ...foreign.map(asResult)], report);
  return report;
}

function countSlots(results: RawResult[], report: Audit): Map<string, RawResult> {
  const counted = new Map<string, RawResult>();
  for (const result of results) {
    for (let i = result.slots - 1; i >= 0; i--) {
      const tag = `${result.job_id}/${result.slot - i * (result.period_ms ?? 0)}`;
      if (counted.has(tag)) report.problems.push(`slot ${tag} is counted more than once`);
      counted.set(tag, result);
      report.counted++;
      if (result.outcome === 'missed') report.missed++;
      else report.answered++;
    }
  }
  return counted;
}

function compareWithSpans(spans: Span[], counted: ReadonlyMap<string, RawResult>, report: Audit): void {
  const due = new Set<string>();
  for (const span of spans) {
    if (span.to_slot === null) report.problems.push(`span of job ${span.job_id} from ${span.from_slot} is still open`);
    for (let slot = span.from_slot; slot <= (span.to_slot ?? -1); slot += span.period_ms ?? Number.POSITIVE_INFINITY) {
      const tag = `${span.job_id}/${slot}`;
      if (due.has(tag)) report.problems.push(`slot ${tag} lies in two spans`);
      due.add(tag);
      if (!counted.has(tag)) report.problems.push(`slot ${tag} was due and is not counted`);
    }
  }
  for (const tag of counted.keys()) if (!due.has(tag)) report.problems.push(`slot ${tag} is counted and was not due`);
  report.due = due.size;
}

function compareWithTarget(counted: ReadonlyMap<string, RawResult>, served: ServedLog, report: Audit): void {
  for (const [tag, result] of counted) {
    if (result.status === null) continue;
    const statuses = served.get(tag);
    if (!statuses?.includes(Number(result.status))) {
      report.problems.push(`slot ${tag} is counted as ${result.status}, the target served ${statuses ?? 'nothing'}`);
    }
    // The target took its time; a timer may fire a millisecond early.
    const leastMs = servingMs(Number(result.status)) - 1;
    if (result.rt !== null && result.rt < leastMs * 1000) {
      report.problems.push(`slot ${tag} took ${result.rt} us, the target alone at least ${leastMs} ms`);
    }
  }
  for (const [tag, statuses] of served) {
    const result = counted.get(tag);
    if (!result) report.problems.push(`the target served ${tag}, which is counted as nothing`);
    else if (result.outcome === 'missed') report.servedButMissed += statuses.length;
    else if (result.status === null && statuses.some((status) => status > 0) && result.reason === 'internal') {
      report.problems.push(`slot ${tag} was answered and is counted as an internal failure`);
    }
  }
}

/** A foreign line belongs to the bucket of its `ts`. */
function asResult({ job_id, ts, response_time, status }: ForeignLine): RawResult {
  const outcome = Number(status) >= 200 && Number(status) < 400 ? 'up' : 'down';
  const one = { slots: 1, period_ms: null, reason: null, rt: Math.round(response_time * 1e6) };
  return { job_id, location: 'default', slot: ts, outcome, status, ...one };
}

async function compareWithAggregates(database: Database, results: RawResult[], report: Audit): Promise<void> {
  const rows = (
    await database.query<MinuteRow>(
      `
      SELECT job_id, location, granularity, (extract(epoch FROM dt) * 1000)::bigint AS dt_ms,
        count, up, degraded, down, missed, rt_count, rt_min, rt_max, rt_sum, data
      FROM metrics
      WHERE granularity IN ('minute', 'hour', 'day') AND job_id = ANY ($1)`,
      [[...new Set(results.map((result) => result.job_id))]],
    )
  ).rows;
  const expected = sumByBucket(results);
  for (const row of rows) {
    const key = `${row.granularity} ${row.job_id} ${row.location} ${row.dt_ms}`;
    const sum = expected.get(key);
    expected.delete(key);
    if (!sum) {
      report.problems.push(`row ${key} has no raw results`);
      continue;
    }
    const stored = { ...row, data: sorted(row.data) };
    for (const [column, value] of Object.entries({ ...sum, data: sorted(sum.data) })) {
      const given = JSON.stringify(stored[column as keyof MinuteRow]);
      if (given !== JSON.stringify(value)) {
        report.problems.push(`row ${key}: ${column} is ${given}, its raw results say ${JSON.stringify(value)}`);
      }
    }
  }
  for (const key of expected.keys()) report.problems.push(`row ${key} is missing`);
}

type Sum = Omit<MinuteRow, 'job_id' | 'location' | 'granularity' | 'dt_ms'>;

function sumByBucket(results: RawResult[]): Map<string, Sum> {
  const sums = new Map<string, Sum>();
  const widths = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };
  for (const result of results) {
    for (let i = 0; i < result.slots; i++) {
      const slot = result.slot - i * (result.period_ms ?? 0);
      for (const [granularity, width] of Object.entries(widths)) {
        const key = `${granularity} ${result.job_id} ${result.location} ${slot - (slot % width)}`;
        const empty = { count: 0, up: 0, degraded: 0, down: 0, missed: 0 };
        const sum = sums.get(key) ?? { ...empty, rt_count: 0, rt_min: null, rt_max: null, rt_sum: 0, data: {} };
        sums.set(key, sum);
        addResult(sum, result);
      }
    }
  }
  return sums;
}

function addResult(sum: Sum, result: RawResult): void {
  sum.count++;
  sum[result.outcome as 'up' | 'degraded' | 'down' | 'missed']++;
  if (result.status !== null) sum.data[result.status] = (sum.data[result.status] ?? 0) + 1;
  if (result.rt === null) return;
  sum.rt_count++;
  sum.rt_sum += result.rt;
  sum.rt_min = Math.min(sum.rt_min ?? result.rt, result.rt);
  sum.rt_max = Math.max(sum.rt_max ?? result.rt, result.rt);
}

function sorted(counters: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(counters).sort(([a], [b]) => (a < b ? -1 : 1)));
}
