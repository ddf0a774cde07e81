import type { Transaction } from '../../../postgres/database.ts';
import type { StoredMetricRow } from '../../verify/stored-rows.ts';
import { VALUE_COLUMNS, VALUE_TYPES } from './rows.ts';
import { randomVersion } from './values.ts';

/** A row of metrics as it is and as it is to be; null: there is none. At least one of the two is there. */
export interface RowChange {
  stored: StoredMetricRow | null;
  expected: StoredMetricRow | null;
}

const PAGE_ROWS = 2_000;
const VALUES = VALUE_COLUMNS.join(', ');
const KEY = 'm.granularity = r.granularity AND m.job_id = r.job_id AND m.location = r.location AND m.dt = r.dt';
/** Bytes come as hexadecimal digits. */
const ROWS = `SELECT granularity, job_id, location, to_timestamp(dt_ms / 1000.0) AS dt, writes, ${VALUE_TYPES.map(
  ({ name, type }) => (type === 'bytea' ? `decode(${name}, 'hex') AS ${name}` : name),
).join(', ')}
  FROM jsonb_to_recordset($1::jsonb) AS given (granularity text, job_id integer, location text, dt_ms bigint,
    writes integer, ${VALUE_TYPES.map(({ name, type }) => `${name} ${type === 'bytea' ? 'text' : type}`).join(', ')})`;

const INSERT = `INSERT INTO metrics (granularity, job_id, location, dt, ${VALUES}, writes)
  SELECT granularity, job_id, location, dt, ${VALUES}, writes FROM (${ROWS}) AS r
  ORDER BY granularity, job_id, location, dt ON CONFLICT DO NOTHING`;
const UPDATE = `UPDATE metrics m SET (${VALUES}, writes) = ROW (${VALUE_COLUMNS.map((name) => `r.${name}`).join(', ')}, m.writes + 1)
  FROM (${ROWS}) AS r WHERE ${KEY} AND m.writes = r.writes`;
const DELETE = `DELETE FROM metrics m USING (${ROWS}) AS r WHERE ${KEY} AND m.writes = r.writes`;

/**
 * Makes rows what they are to be, each on the condition that it was not written since it was read. Returns how many
 * were not as they had been: then the transaction must be rolled back. Partitions must be there.
 */
export async function replaceMetricRows(tx: Transaction, changes: readonly RowChange[]): Promise<number> {
  let written = 0;
  for (const [sql, rows] of [
    [DELETE, changes.flatMap(({ stored, expected }) => (stored && !expected ? [stored] : []))],
    [
      UPDATE,
      changes.flatMap(({ stored, expected }) => (stored && expected ? [{ ...expected, writes: stored.writes }] : [])),
    ],
    [
      INSERT,
      changes.flatMap(({ stored, expected }) =>
        expected && !stored ? [{ ...expected, writes: randomVersion() }] : [],
      ),
    ],
  ] as const) {
    for (let at = 0; at < rows.length; at += PAGE_ROWS) {
      const page = rows.slice(at, at + PAGE_ROWS).map(toWire);
      written += (await tx.query(sql, [JSON.stringify(page)])).rowCount;
    }
  }
  return changes.length - written;
}

function toWire({ granularity, jobId, location, dtMs, writes, values }: StoredMetricRow): object {
  return { ...values, granularity, job_id: jobId, location, dt_ms: dtMs, writes };
}
