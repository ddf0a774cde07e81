import { shardSql } from '../../jobs/shard.ts';
import type { Outcome, Reason } from '../../messages/check-result.ts';
import { CopyBuffer } from '../../postgres/copy-buffer.ts';
import type { Queryable, Transaction } from '../../postgres/database.ts';

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
  /** Results counted so far, and how many had which status, as JSON text. */
  count: number;
  codes: string;
  /** It has no row yet, but results of epochs below this one belong to the time before a reset. */
  isNew?: boolean;
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
  /** The totals before, as SeriesState has them. */
  readonly oldCount: readonly number[];
  readonly oldCodes: readonly string[];
  /** Which statuses are named for the series mattered: its totals must still be the old ones. */
  readonly isExact: readonly boolean[];
}

/** The same with what is added to their totals. */
export interface SeriesDelta extends SeriesMoves {
  /** What is added, per outcome in the order of OUTCOMES. */
  readonly outcomes: ReadonlyArray<readonly number[]>;
  /** Status counters to add, as JSON text, and what they are together with the old ones. */
  readonly codes: readonly string[];
  readonly allCodes: readonly string[];
}

export async function readSeries(
  database: Queryable,
  topic: string,
  keys: readonly SeriesKey[],
): Promise<SeriesState[]> {
  const { rows } = await database.query<SeriesState>(
    `SELECT k.job_id AS "jobId", k.location, coalesce(s.epoch, f.epoch + 1) AS epoch, coalesce(s.slot, -1) AS slot, s.last_ts AS "lastTs", s.last_outcome AS "lastOutcome",
       s.last_reason AS "lastReason", s.last_status AS "lastStatus", s.last_rt AS "lastRt", s.since_slot AS "sinceSlot",
       coalesce(s.count, 0) AS count, coalesce(s.codes::text, '{}') AS codes, s.job_id IS NULL AS "isNew"
     FROM unnest($2::int[], $3::text[]) AS k (job_id, location)
     LEFT JOIN series_progress s ON s.job_id = k.job_id AND s.location = k.location AND s.topic = $1
     LEFT JOIN epoch_floors f ON f.location = k.location AND f.shard = ${shardSql('k.job_id')}
     WHERE s.job_id IS NOT NULL OR f.epoch IS NOT NULL`,
    [topic, keys.map((key) => key.jobId), keys.map((key) => key.location)],
  );
  return rows;
}

/** How many locations these jobs have in the topic. */
export async function countLocations(
  database: Queryable,
  topic: string,
  jobIds: readonly number[],
): Promise<Map<number, number>> {
  const { rows } = await database.query<{ jobId: number; count: number }>(
    `SELECT job_id AS "jobId", count(*)::int AS count FROM series_progress
     WHERE topic = $1 AND job_id = ANY ($2) GROUP BY job_id`,
    [topic, jobIds],
  );
  return new Map(rows.map(({ jobId, count }) => [jobId, count]));
}

/** The columns of copyMoves, in their order, and the type of each. */
const COLUMNS = {
  is_new: 'boolean',
  job_id: 'integer',
  location: 'text',
  old_epoch: 'bigint',
  old_slot: 'bigint',
  epoch: 'bigint',
  slot: 'bigint',
  last_ts: 'bigint',
  last_outcome: 'text',
  last_reason: 'text',
  last_status: 'text',
  last_rt: 'bigint',
  since_slot: 'bigint',
  up: 'bigint',
  degraded: 'bigint',
  down: 'bigint',
  missed: 'bigint',
  codes: 'jsonb',
  old_count: 'bigint',
  all_codes: 'jsonb',
  is_exact: 'boolean',
} as const;
const NAMES = Object.keys(COLUMNS);

/** A connection keeps its table; another topic in the same transaction finds the rows of the one before. */
const EMPTY_TABLE = `CREATE TEMP TABLE IF NOT EXISTS series_moves (
  ${Object.entries(COLUMNS).map(([name, type]) => `${name} ${type}`)}
) ON COMMIT DELETE ROWS;
DELETE FROM series_moves`;

const INSERT = `INSERT INTO series_progress (job_id, location, topic, epoch, slot, last_ts, last_outcome, last_reason,
    last_status, last_rt, since_slot, count, up, degraded, down, missed, codes)
  SELECT job_id, location, $1, epoch, slot, last_ts, last_outcome, last_reason, last_status, last_rt, since_slot,
    up + degraded + down + missed, up, degraded, down, missed, codes
  FROM series_moves WHERE is_new
  ON CONFLICT (job_id, location, topic) DO NOTHING`;

/**
 * A row with the count that the mover knows has the codes it knows, so that they can be replaced; only where others have
 * added to it (foreign lines in two partitions) they are merged here.
 */
const UPDATE = `UPDATE series_progress s SET epoch = d.epoch, slot = d.slot,
    last_ts = d.last_ts, last_outcome = d.last_outcome, last_reason = d.last_reason, last_status = d.last_status,
    last_rt = d.last_rt, since_slot = d.since_slot,
    count = s.count + d.up + d.degraded + d.down + d.missed, up = s.up + d.up, degraded = s.degraded + d.degraded,
    down = s.down + d.down, missed = s.missed + d.missed,
    codes = CASE WHEN d.codes = '{}' THEN s.codes WHEN s.count = d.old_count THEN d.all_codes ELSE (
      SELECT jsonb_object_agg(key, n) FROM (
        SELECT key, sum(value::bigint) AS n
        FROM (SELECT * FROM jsonb_each_text(s.codes) UNION ALL SELECT * FROM jsonb_each_text(d.codes)) AS pair
        GROUP BY key) AS merged) END
  FROM series_moves AS d
  WHERE s.job_id = d.job_id AND s.location = d.location AND s.topic = $1
    AND s.epoch = d.old_epoch AND s.slot = d.old_slot AND NOT d.is_new
    AND (NOT d.is_exact OR s.count = d.old_count)`;

/**
 * Compare-and-set of every series, with its totals and last result. Answers false when any of them is not as it was read:
 * someone else counts it, and the transaction must be rolled back.
 */
export async function moveSeries(tx: Transaction, topic: string, delta: SeriesDelta): Promise<boolean> {
  if (delta.length === 0) return true;
  const fresh = delta.isNew.reduce((sum, isNew) => sum + (isNew ? 1 : 0), 0);
  await tx.query(EMPTY_TABLE);
  await tx.copyFrom(`series_moves (${NAMES.join(', ')})`, copyMoves(delta), 'binary');
  if (fresh > 0 && (await tx.query(INSERT, [topic])).rowCount !== fresh) return false;
  return fresh === delta.length || (await tx.query(UPDATE, [topic])).rowCount === delta.length - fresh;
}

function* copyMoves(delta: SeriesDelta): Generator<Buffer> {
  const buffer = new CopyBuffer();
  for (let row = 0; row < delta.length; row++) {
    const full = buffer.row(NAMES.length);
    if (full) yield full;
    buffer.boolean(delta.isNew[row]);
    buffer.int4(delta.jobId[row]);
    buffer.text(delta.location[row]);
    buffer.int8(delta.oldEpoch[row]);
    buffer.int8(delta.oldSlot[row]);
    buffer.int8(delta.epoch[row]);
    buffer.int8(delta.slot[row]);
    buffer.int8(delta.lastTs[row]);
    buffer.text(delta.lastOutcome[row]);
    buffer.text(delta.lastReason[row]);
    buffer.text(delta.lastStatus[row]);
    buffer.int8(delta.lastRt[row]);
    buffer.int8(delta.sinceSlot[row]);
    for (const counts of delta.outcomes) buffer.int8(counts[row]);
    buffer.json(delta.codes[row]);
    buffer.int8(delta.oldCount[row]);
    buffer.json(delta.allCodes[row]);
    buffer.boolean(delta.isExact[row]);
  }
  yield buffer.end();
}
