import { shardSql } from '../../jobs/shard.ts';
import { CopyBuffer } from '../../postgres/copy-buffer.ts';
import type { Queryable, Transaction } from '../../postgres/database.ts';
import {
  ADDED,
  BEFORE,
  KEY,
  LAST_RESULT,
  namesOf,
  OUTCOME_TOTALS,
  type SeriesLists,
  type SeriesRow,
  STATE,
  selectionOf,
  TOTALS,
} from './series-columns.ts';

export type SeriesKey = SeriesRow<typeof KEY>;

/** How far a series has been counted, as stored. */
export interface SeriesState extends SeriesKey, SeriesRow<typeof STATE> {
  /** Results counted so far, and how many had which status, as JSON text. */
  count: number;
  statusCounts: string;
  /** The names of values that are counted by name, as JSON text. */
  valueNames: string;
  /** It has no row yet, but results of epochs below this one belong to the time before a reset. */
  isNew?: boolean;
}

const MOVES = { ...KEY, ...BEFORE, ...STATE };
const DELTA = { ...MOVES, ...ADDED };

/** A series as stored, with its totals. */
export interface CountedSeries extends SeriesKey, SeriesRow<typeof STATE>, SeriesRow<typeof TOTALS> {
  topic: string;
  count: number;
  statusCounts: Record<string, number>;
  valueNames: string[];
}

/** Changes of many series of one topic: from where to where each went, and its last result. */
export interface SeriesMoves extends SeriesLists<typeof MOVES> {
  readonly length: number;
}

/** The same with what is added to their totals. */
export interface SeriesDelta extends SeriesMoves, SeriesLists<typeof ADDED> {}

export async function readSeries(
  database: Queryable,
  topic: string,
  keys: readonly SeriesKey[],
): Promise<SeriesState[]> {
  const { rows } = await database.query<SeriesState>(
    `SELECT k.job_id AS "jobId", k.location, coalesce(s.epoch, f.epoch + 1) AS epoch, coalesce(s.slot, -1) AS slot,
       ${selectionOf(LAST_RESULT, 's')}, coalesce(s.count, 0) AS count, coalesce(s.codes::text, '{}') AS "statusCounts",
       coalesce(s.value_names::text, '[]') AS "valueNames",
       s.job_id IS NULL AS "isNew"
     FROM unnest($2::int[], $3::text[]) AS k (job_id, location)
     LEFT JOIN series_progress s ON s.job_id = k.job_id AND s.location = k.location AND s.topic = $1
     LEFT JOIN epoch_floors f ON f.location = k.location AND f.shard = ${shardSql('k.job_id')}
     WHERE s.job_id IS NOT NULL OR f.epoch IS NOT NULL`,
    [topic, keys.map((key) => key.jobId), keys.map((key) => key.location)],
  );
  return rows;
}

const COUNTED = `${selectionOf({ ...KEY, ...STATE, ...TOTALS }, 's')}, topic, count, codes AS "statusCounts", value_names AS "valueNames"`;

export async function readCountedSeries(database: Queryable, topics: readonly string[]): Promise<CountedSeries[]> {
  const { rows } = await database.query<CountedSeries>(
    `SELECT ${COUNTED} FROM series_progress s WHERE topic = ANY ($1)`,
    [topics],
  );
  return rows;
}

export async function readSeriesOfJob(
  database: Queryable,
  { jobId, location, topic }: { jobId: number; location?: string | undefined; topic?: string | undefined },
): Promise<CountedSeries[]> {
  const { rows } = await database.query<CountedSeries>(
    `SELECT ${COUNTED} FROM series_progress s
     WHERE job_id = $1 AND ($2::text IS NULL OR location = $2) AND ($3::text IS NULL OR topic = $3)
     ORDER BY topic, location`,
    [jobId, location ?? null, topic ?? null],
  );
  return rows;
}

/** Overwrites a row without comparing it with a known state. */
export async function replaceSeries(tx: Transaction, series: CountedSeries): Promise<void> {
  const columns = { ...STATE, ...TOTALS };
  const names = [...namesOf(columns), 'count', 'codes', 'value_names'];
  const keys = Object.keys(columns) as Array<keyof typeof columns>;
  await tx.query(
    `UPDATE series_progress SET ${names.map((name, at) => `${name} = $${at + 4}`).join(', ')}
     WHERE job_id = $1 AND location = $2 AND topic = $3`,
    [
      ...[series.jobId, series.location, series.topic],
      ...keys.map((key) => series[key]),
      ...[series.count, JSON.stringify(series.statusCounts), JSON.stringify(series.valueNames)],
    ],
  );
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

const NAMES = namesOf(DELTA);
const STATE_NAMES = namesOf(STATE).join(', ');
const OUTCOMES = namesOf(OUTCOME_TOTALS);
const SUMS = namesOf(TOTALS);

/** A connection keeps its table; another topic in the same transaction finds the rows of the one before. */
const EMPTY_TABLE = `CREATE TEMP TABLE IF NOT EXISTS series_moves (
  ${Object.values(DELTA).map(({ name, type }) => `${name} ${type}`)}
) ON COMMIT DELETE ROWS;
DELETE FROM series_moves`;

const INSERT = `INSERT INTO series_progress (job_id, location, topic, ${STATE_NAMES}, count, ${SUMS.join(', ')}, codes, value_names)
  SELECT job_id, location, $1, ${STATE_NAMES}, ${OUTCOMES.join(' + ')}, ${SUMS.join(', ')}, codes, coalesce(value_names, '[]')
  FROM series_moves WHERE is_new
  ON CONFLICT (job_id, location, topic) DO NOTHING`;

/**
 * A row with the count that the mover knows has the codes it knows, so that they can be replaced; only where others have
 * added to it (foreign lines in two partitions) they are merged here.
 */
const UPDATE = `UPDATE series_progress s SET
    ${namesOf(STATE)
      .map((name) => `${name} = d.${name}`)
      .join(', ')},
    count = s.count + ${OUTCOMES.map((name) => `d.${name}`).join(' + ')},
    ${SUMS.map((name) => `${name} = s.${name} + d.${name}`).join(', ')},
    value_names = coalesce(d.value_names, s.value_names),
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
 * Compare-and-set of every series of these deltas, with its totals and last result. Returns false when any of them is not as it
 * was read (another processor counts it), or is in two of them: the transaction must be rolled back.
 */
export async function moveSeries(tx: Transaction, topic: string, deltas: readonly SeriesDelta[]): Promise<boolean> {
  const sum = (of: (delta: SeriesDelta) => number) => deltas.reduce((total, delta) => total + of(delta), 0);
  const length = sum((delta) => delta.length);
  if (length === 0) return true;
  const fresh = sum(({ isNew }) => isNew.reduce((count, one) => count + (one ? 1 : 0), 0));
  await tx.query(EMPTY_TABLE);
  await tx.copyFrom(`series_moves (${NAMES.join(', ')})`, copyMoves(deltas), 'binary');
  if (fresh > 0 && (await tx.query(INSERT, [topic])).rowCount !== fresh) return false;
  return fresh === length || (await tx.query(UPDATE, [topic])).rowCount === length - fresh;
}

function* copyMoves(deltas: readonly SeriesDelta[]): Generator<Buffer> {
  const buffer = new CopyBuffer();
  for (const delta of deltas) {
    const columns = Object.entries(DELTA).map(([key, { type }]) => ({
      type,
      values: delta[key as keyof typeof DELTA],
    }));
    for (let row = 0; row < delta.length; row++) {
      const full = buffer.row(columns.length);
      if (full) yield full;
      for (const { type, values } of columns) {
        const value = values[row];
        if (value === null) buffer.null();
        else if (type === 'bigint') buffer.int8(value as number);
        else if (type === 'text') buffer.text(value as string);
        else if (type === 'integer') buffer.int4(value as number);
        else if (type === 'boolean') buffer.boolean(value as boolean);
        else buffer.json(value as string);
      }
    }
  }
  yield buffer.end();
}
