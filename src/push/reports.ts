import { randomUUID } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import { firstOf } from '../core/first-of.ts';
import type { Database, Queryable } from '../postgres/database.ts';
import { Attempts } from './attempts.ts';

/** What a program reports. `start`: it has begun; the others say how it went. */
export interface GivenReport {
  kind: 'start' | 'up' | 'degraded' | 'down';
  /** At most 200 characters. */
  message?: string | undefined;
  durationSeconds?: number | undefined;
  values?: Readonly<Record<string, number>> | undefined;
}

export type Taken = 'taken' | 'unknown token' | 'too many' | 'unavailable';

export interface PushReports {
  /**
   * Stores a report, received when it is called. Resolves once it is committed; while PostgreSQL cannot be reached or does
   * not answer, that takes up to WAIT_MS, then it is `unavailable`: perhaps it is not stored. So it is when `signal` aborts
   * while it waits. Throws errors that do not heal.
   */
  take(token: string, report: GivenReport, signal: AbortSignal): Promise<Taken>;
  /** Returns for each job the first report, other than of a start, that was received at or after `fromMs`. */
  read(asked: ReadonlyArray<{ jobId: number; fromMs: number }>): Promise<FoundReports>;
  /** Calls back with the job of each report; with null when some may have been lost. The returned function stops it. */
  watch(onReport: (jobId: number | null) => void): Promise<() => Promise<void>>;
}

interface FoundReports {
  /** The database's clock, ms since the epoch: every report that was received before is known, unless it waited. */
  nowMs: number;
  /** By job. */
  found: ReadonlyMap<number, FoundReport>;
}

interface FoundReport {
  /** null: there is none; `begunMs` may be there all the same. */
  report: {
    /** By the database's clock, ms since the epoch. */
    receivedMs: number;
    kind: 'up' | 'degraded' | 'down';
    message: string | null;
    /** Seconds, as it was reported. */
    duration: number | null;
    values: Readonly<Record<string, number>> | null;
  } | null;
  /** When the program said that it begins, ms since the epoch; null: it did not since the report before. */
  begunMs: number | null;
}

/** How long a report waits for PostgreSQL. */
export const WAIT_MS = 90_000;
/** Of one job in a minute: twice as many as slots at the shortest period. */
const MOST_PER_MINUTE = 1_200;
const CHANNEL = 'push_reports';

export function createPushReports({ database, clock }: { database: Database; clock: Clock }): PushReports {
  const attempts = new Attempts(clock);
  return {
    async take(token, report, signal) {
      const id = randomUUID();
      const receivedMono = clock.monotonicMs();
      const work = () => write(token, report, { id, waitedMs: Math.floor(clock.monotonicMs() - receivedMono) });
      return (await attempts.run(work, { limitMs: WAIT_MS, signal })) ?? 'unavailable';
    },

    async read(asked) {
      const jobIds = asked.map(({ jobId }) => jobId);
      const awaited = await database.query<{ now_ms: number }>('SELECT await_reports($1) AS now_ms', [jobIds], {
        prepared: true,
      });
      const nowMs = firstOf(awaited.rows).now_ms;
      const { rows } = await database.query<ReportRow>(
        'SELECT * FROM find_reports($1, $2, $3)',
        [jobIds, asked.map(({ fromMs }) => fromMs), nowMs],
        { prepared: true },
      );
      return { nowMs, found: new Map(rows.map((row) => [row.job_id, toFound(row)])) };
    },

    watch: (onReport) => database.listen(CHANNEL, (payload) => onReport(payload === null ? null : Number(payload))),
  };

  async function write(
    token: string,
    { kind, message, durationSeconds, values }: GivenReport,
    { id, waitedMs }: { id: string; waitedMs: number },
  ): Promise<Taken> {
    const { rows } = await database.query<{ job: number | null }>(
      'SELECT take_report($1, $2, $3, $4, $5, $6, $7, $8, $9) AS job',
      [
        ...[token, waitedMs, id, kind, message ?? null],
        durationSeconds === undefined ? null : Math.round(durationSeconds * 1e6),
        ...[values ?? null, MOST_PER_MINUTE, database.qualifyChannel(CHANNEL)],
      ],
    );
    const { job } = firstOf(rows);
    if (job === null) return 'unknown token';
    return job === -1 ? 'too many' : 'taken';
  }
}

interface ReportRow {
  job_id: number;
  received_ms: number | null;
  kind: 'up' | 'degraded' | 'down';
  message: string | null;
  duration_us: number | null;
  numbers: Record<string, number> | null;
  begun_ms: number | null;
}

function toFound({ received_ms, kind, message, duration_us, numbers, begun_ms }: ReportRow): FoundReport {
  if (received_ms === null) return { report: null, begunMs: begun_ms };
  const duration = duration_us === null ? null : duration_us / 1e6;
  return { report: { receivedMs: received_ms, kind, message, duration, values: numbers }, begunMs: begun_ms };
}

/** Deletes the reports of slots that were closed long ago. */
export async function expirePushReports(tx: Queryable): Promise<void> {
  await tx.query(
    `DELETE FROM push_reports
     WHERE received_ms < extract(epoch FROM clock_timestamp() - make_interval(days => $1)) * 1000`,
    [KEPT_DAYS],
  );
}

/** Longer than a scheduler is likely to be away; a start may lie this long before its end. */
const KEPT_DAYS = 7;
