import type { Outcome, Reason } from '../messages/check-result.ts';
import type { Queryable } from './database.ts';

export interface SeriesKey {
  jobId: number;
  location: string;
}

/** How far a series has been counted, as stored. */
export interface SeriesState extends SeriesKey {
  epoch: number;
  slot: number;
  lastTs: number | null;
  lastOutcome: Outcome | null;
  lastReason: Reason | null;
  lastStatus: string | null;
  lastRt: number | null;
  sinceSlot: number | null;
}

/** Changes of many series of one topic, as columns of equal length: from where to where each went, and its last result. */
export interface SeriesMoves {
  readonly length: number;
  readonly jobId: readonly number[];
  readonly location: readonly string[];
  /** It had no row when it was read. */
  readonly isNew: readonly boolean[];
  readonly oldEpoch: readonly number[];
  readonly oldSlot: readonly number[];
  readonly epoch: readonly number[];
  readonly slot: readonly number[];
  readonly lastTs: ReadonlyArray<number | null>;
  readonly lastOutcome: ReadonlyArray<Outcome | null>;
  readonly lastReason: ReadonlyArray<Reason | null>;
  readonly lastStatus: ReadonlyArray<string | null>;
  /** Microseconds. */
  readonly lastRt: ReadonlyArray<number | null>;
  readonly sinceSlot: ReadonlyArray<number | null>;
}

/** The same with what is added to their totals. */
export interface SeriesDelta extends SeriesMoves {
  /** What is added, per outcome in the order of OUTCOMES. */
  readonly outcomes: ReadonlyArray<readonly number[]>;
  /** Status counters to add, as JSON text. */
  readonly codes: readonly string[];
}

export async function readSeries(
  database: Queryable,
  topic: string,
  keys: readonly SeriesKey[],
): Promise<SeriesState[]> {
  const { rows } = await database.query<SeriesState>(
    `SELECT s.job_id AS "jobId", s.location, s.epoch, s.slot, s.last_ts AS "lastTs", s.last_outcome AS "lastOutcome",
       s.last_reason AS "lastReason", s.last_status AS "lastStatus", s.last_rt AS "lastRt", s.since_slot AS "sinceSlot"
     FROM unnest($2::int[], $3::text[]) AS k (job_id, location)
     JOIN series_progress s ON s.job_id = k.job_id AND s.location = k.location AND s.topic = $1`,
    [topic, keys.map((key) => key.jobId), keys.map((key) => key.location)],
  );
  return rows;
}

const COLUMNS = `$2::int[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::text[],
  $10::text[], $11::text[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[],
  $18::text[]`;
const NAMES = `job_id, location, old_epoch, old_slot, epoch, slot, last_ts, last_outcome, last_reason, last_status, last_rt,
  since_slot, up, degraded, down, missed, codes`;

const INSERT = `INSERT INTO series_progress (job_id, location, topic, epoch, slot, last_ts, last_outcome, last_reason,
    last_status, last_rt, since_slot, count, up, degraded, down, missed, codes)
  SELECT job_id, location, $1, epoch, slot, last_ts, last_outcome, last_reason, last_status, last_rt, since_slot,
    up + degraded + down + missed, up, degraded, down, missed, codes::jsonb
  FROM unnest(${COLUMNS}) AS d (${NAMES})
  ON CONFLICT (job_id, location, topic) DO NOTHING`;

const UPDATE = `UPDATE series_progress s SET epoch = d.epoch, slot = d.slot,
    last_ts = d.last_ts, last_outcome = d.last_outcome, last_reason = d.last_reason, last_status = d.last_status,
    last_rt = d.last_rt, since_slot = d.since_slot,
    count = s.count + d.up + d.degraded + d.down + d.missed, up = s.up + d.up, degraded = s.degraded + d.degraded,
    down = s.down + d.down, missed = s.missed + d.missed,
    codes = CASE WHEN d.codes = '{}' THEN s.codes ELSE (
      SELECT jsonb_object_agg(key, n) FROM (
        SELECT key, sum(value::bigint) AS n
        FROM (SELECT * FROM jsonb_each_text(s.codes) UNION ALL SELECT * FROM jsonb_each_text(d.codes::jsonb)) AS pair
        GROUP BY key) AS merged) END
  FROM unnest(${COLUMNS}) AS d (${NAMES})
  WHERE s.job_id = d.job_id AND s.location = d.location AND s.topic = $1
    AND s.epoch = d.old_epoch AND s.slot = d.old_slot`;

/**
 * Compare-and-set of every series, with its totals and last result. Answers false when any of them is not as it was read:
 * someone else counts it, and the transaction must be rolled back.
 */
export async function moveSeries(tx: Queryable, topic: string, delta: SeriesDelta): Promise<boolean> {
  const fresh: number[] = [];
  const known: number[] = [];
  for (let row = 0; row < delta.length; row++) (delta.isNew[row] ? fresh : known).push(row);
  return (await run(tx, INSERT, topic, delta, fresh)) && (await run(tx, UPDATE, topic, delta, known));
}

/** Rows per statement: enough to make the round trip cheap, few enough to keep its text small. */
const CHUNK = 5_000;

async function run(tx: Queryable, sql: string, topic: string, delta: SeriesDelta, rows: number[]): Promise<boolean> {
  for (let start = 0; start < rows.length; start += CHUNK) {
    const part = rows.slice(start, start + CHUNK);
    const pick = <Value>(column: readonly Value[]) => part.map((row) => column[row]);
    const { rowCount } = await tx.query(sql, [
      topic,
      pick(delta.jobId),
      pick(delta.location),
      pick(delta.oldEpoch),
      pick(delta.oldSlot),
      pick(delta.epoch),
      pick(delta.slot),
      pick(delta.lastTs),
      pick(delta.lastOutcome),
      pick(delta.lastReason),
      pick(delta.lastStatus),
      pick(delta.lastRt),
      pick(delta.sinceSlot),
      ...delta.outcomes.map(pick),
      pick(delta.codes),
    ]);
    if (rowCount !== part.length) return false;
  }
  return true;
}
