import type { Database } from '../../src/postgres/database.ts';
import { compareRows, type RawResult } from './audit-rows.ts';
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
  /** Missed slots by reason. */
  missedBy: Record<string, number>;
  /** Requests the target served for slots that are counted as missed. */
  servedButMissed: number;
  /** Rows of numbers that were compared in every column, by granularity. */
  rows: Record<string, number>;
  /** Rows, those of series included, with at least one column that is not right. */
  wrongRows: number;
}

interface Span {
  job_id: number;
  location: string;
  from_slot: number;
  to_slot: number | null;
  period_ms: number | null;
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
  const report: Audit = {
    problems: [],
    due: 0,
    counted: 0,
    answered: 0,
    missed: 0,
    missedBy: {},
    servedButMissed: 0,
    rows: {},
    wrongRows: 0,
  };
  const counted = countSlots(results, report);
  compareWithSpans(spans, counted, report);
  compareWithTarget(counted, served, report);
  const { problems, ...compared } = await compareRows(database, [...results, ...foreign.map(asResult)]);
  Object.assign(report, compared);
  report.problems.push(...problems);
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
      if (result.outcome !== 'missed') report.answered++;
      else {
        report.missed++;
        const reason = String(result.reason);
        report.missedBy[reason] = (report.missedBy[reason] ?? 0) + 1;
      }
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

/** Share of the results whose estimated response time may be shorter than the target's, see docs/measuring.md. */
const MAX_SHORT_SHARE = 0.01;

function compareWithTarget(counted: ReadonlyMap<string, RawResult>, served: ServedLog, report: Audit): void {
  const short: string[] = [];
  for (const [tag, result] of counted) {
    if (result.status === null) continue;
    const statuses = served.get(tag);
    if (!statuses?.includes(Number(result.status))) {
      report.problems.push(`slot ${tag} is counted as ${result.status}, the target served ${statuses ?? 'nothing'}`);
    }
    // The target took its time; a timer may fire a millisecond early.
    const leastMs = servingMs(Number(result.status)) - 1;
    if (result.rt === null || result.rt >= leastMs * 1000) continue;
    const text = `slot ${tag} took ${result.rt} us, the target alone at least ${leastMs} ms`;
    // The middle of a time in which we did not look is more than half of the true time.
    if (result.rt >= leastMs * 500) short.push(text);
    else report.problems.push(text);
  }
  if (short.length > counted.size * MAX_SHORT_SHARE) report.problems.push(...short);
  for (const [tag, statuses] of served) {
    const result = counted.get(tag);
    if (!result) report.problems.push(`the target served ${tag}, which is counted as nothing`);
    else if (result.status === null && statuses.some((status) => status > 0) && result.reason === 'internal') {
      report.problems.push(`slot ${tag} was answered and is counted as an internal failure`);
    } else if (result.outcome === 'missed') report.servedButMissed += statuses.length;
  }
}

/** A foreign line belongs to the bucket of its `ts`. */
function asResult({ job_id, ts, response_time, status }: ForeignLine): RawResult {
  const outcome = Number(status) >= 200 && Number(status) < 400 ? 'up' : 'down';
  const reason = outcome === 'down' ? 'status' : null;
  const one = { slots: 1, period_ms: null, reason, rt: Math.round(response_time * 1e6) };
  return { job_id, location: 'default', slot: ts, outcome, status, ...one };
}
