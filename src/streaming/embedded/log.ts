import { firstOf } from '../../core/first-of.ts';
import { VedetteError } from '../../errors.ts';
import type { Database } from '../../postgres/database.ts';
import { dropExpiredPartitions } from '../../postgres/partitions.ts';
import type { OutgoingRecord, PartitionRange, StreamRecord, TopicSpec } from '../driver.ts';
import { decodeValue, encodeValue } from './codec.ts';

/** Wakes all readers; the payload is the topic. */
export const APPENDED_CHANNEL = 'stream';

/** The end of a partition. */
export interface Head {
  topic: string;
  partition: number;
  /** The offset the next record will get. */
  nextOffset: number;
  /** Time of the last record, as text of PostgreSQL: exact to the microsecond. */
  lastAt: string;
}

/** Where a reader is. */
export interface Position {
  topic: string;
  partition: number;
  offset: number;
  /** Time of the record before, as in Head: records further on are not older. Null when it is not known. */
  seenAt: string | null;
}

export interface Fetched {
  records: StreamRecord[];
  /** Where to go on. */
  next: Position;
}

const FETCH_RECORDS = 1_000;
const FETCH_BYTES = 1024 * 1024;
/** A smaller share would let a partition with a backlog wait for the others. */
const MIN_FETCH_BYTES = 64 * 1024;
const NO_PARTITION = '23514';

// Heads are locked in one order for all, so that two appends never wait for each other. One that waited for a head gets
// its newest next_offset, because PostgreSQL looks again at a row that changed meanwhile.
const APPEND = `
  WITH input AS (
    SELECT * FROM unnest($1::text[], $2::int[], $3::int[], $4::int[], $5::int[], $6::int[], $7::text[], $8::jsonb[])
      WITH ORDINALITY AS i (topic, partition, start, length, size, codec, key, headers, place)
  ), counts AS (
    SELECT topic, partition, count(*) AS n FROM input GROUP BY topic, partition
  ), locked AS MATERIALIZED (
    SELECT h.topic, h.partition FROM stream_heads h JOIN counts c ON c.topic = h.topic AND c.partition = h.partition
    ORDER BY h.topic, h.partition FOR UPDATE OF h
  ), heads AS (
    UPDATE stream_heads h
    SET next_offset = h.next_offset + c.n, last_at = greatest(clock_timestamp(), h.last_at)
    FROM counts c JOIN locked l ON l.topic = c.topic AND l.partition = c.partition
    WHERE h.topic = c.topic AND h.partition = c.partition AND (SELECT count(*) FROM locked) = (SELECT count(*) FROM counts)
    RETURNING h.topic, h.partition, h.next_offset - c.n AS first_offset, h.last_at
  ), appended AS (
    INSERT INTO stream_records (topic, partition, record_offset, at, size, codec, key, value, headers)
    SELECT i.topic, i.partition,
      h.first_offset + row_number() OVER (PARTITION BY i.topic, i.partition ORDER BY i.place) - 1,
      h.last_at, i.size, i.codec, i.key, substring($9::bytea FROM i.start FOR i.length), i.headers
    FROM input i JOIN heads h ON h.topic = i.topic AND h.partition = i.partition
    RETURNING 1
  ), woken AS (
    SELECT pg_notify($10, topic) FROM (SELECT DISTINCT topic FROM heads) t
  )
  SELECT (SELECT count(*) FROM appended) AS appended, (SELECT count(*) FROM woken) AS topics`;

/** Several positions at once; `index` says which. */
const FETCH = `
  SELECT position.index, found.*
  FROM unnest($1::text[], $2::int[], $3::bigint[], $4::timestamptz[])
    WITH ORDINALITY AS position (topic, partition, record_offset, since, index)
  CROSS JOIN LATERAL (
    SELECT record_offset AS "offset", at::text AS at, extract(epoch FROM at) * 1000 AS ms, size, codec, key, value, headers
    FROM (
      SELECT *, sum(size) OVER (ORDER BY record_offset) - size AS before
      FROM (
        SELECT record_offset, at, size, codec, key, value, headers FROM stream_records AS r
        WHERE r.topic = position.topic AND r.partition = position.partition
          AND r.record_offset >= position.record_offset AND r.at >= position.since
        ORDER BY record_offset LIMIT ${FETCH_RECORDS}
      ) chunk
    ) counted
    WHERE before < $5
  ) found
  ORDER BY position.index, found."offset"`;

interface Row {
  index: number;
  offset: number;
  at: string;
  ms: string;
  size: number;
  codec: number;
  key: string | null;
  value: Buffer;
  headers: Record<string, string> | null;
}

/** The tables of the embedded stream: stream_heads and stream_records. Holds no state. */
export class EmbeddedLog {
  readonly #database: Database;
  readonly #channel: string;

  constructor(database: Database) {
    this.#database = database;
    this.#channel = database.qualifyChannel(APPENDED_CHANNEL);
  }

  async createTopics(specs: readonly TopicSpec[]): Promise<void> {
    const sql = `
      INSERT INTO stream_heads (topic, partition)
      SELECT $1, p FROM generate_series(0, $2 - 1) p
      WHERE NOT EXISTS (SELECT FROM stream_heads WHERE topic = $1)
      ON CONFLICT DO NOTHING`;
    for (const { topic, partitions } of specs) await this.#database.query(sql, [topic, partitions]);
  }

  async countPartitions(topics: readonly string[]): Promise<Map<string, number>> {
    const { rows } = await this.#database.query<{ topic: string; n: number }>(
      'SELECT topic, count(*) AS n FROM stream_heads WHERE topic = ANY($1) GROUP BY topic',
      [topics],
    );
    return new Map(rows.map(({ topic, n }) => [topic, n]));
  }

  async heads(topics: readonly string[]): Promise<Head[]> {
    const { rows } = await this.#database.query<Head>(
      `SELECT topic, partition, next_offset AS "nextOffset", last_at::text AS "lastAt"
       FROM stream_heads WHERE topic = ANY($1)`,
      [topics],
      { prepared: true },
    );
    return rows;
  }

  async ranges(topic: string): Promise<PartitionRange[]> {
    const { rows } = await this.#database.query<PartitionRange>(
      `SELECT h.partition, coalesce(r.low, h.next_offset) AS low, h.next_offset AS high
       FROM stream_heads h
       LEFT JOIN LATERAL (
         SELECT record_offset AS low FROM stream_records
         WHERE topic = h.topic AND partition = h.partition ORDER BY record_offset LIMIT 1
       ) r ON true
       WHERE h.topic = $1 ORDER BY h.partition`,
      [topic],
    );
    return rows;
  }

  /** Per partition: the first offset of records from `timestampMs` on, or else the end. */
  async offsetsAt(topic: string, timestampMs: number): Promise<Map<number, number>> {
    const { rows } = await this.#database.query<{ partition: number; first: number }>(
      `SELECT h.partition, coalesce(r.first, h.next_offset) AS first
       FROM stream_heads h
       LEFT JOIN LATERAL (
         SELECT record_offset AS first FROM stream_records
         WHERE topic = h.topic AND partition = h.partition AND at >= $2 ORDER BY record_offset LIMIT 1
       ) r ON true
       WHERE h.topic = $1`,
      [topic, new Date(timestampMs)],
    );
    return new Map(rows.map(({ partition, first }) => [partition, first]));
  }

  /** One transaction: all records or none. */
  async append(records: readonly OutgoingRecord[]): Promise<void> {
    if (records.length === 0) return;
    const values = await Promise.all(records.map(({ value }) => encodeValue(value)));
    let end = 0;
    const starts = values.map(({ bytes }) => {
      const start = end + 1; // SQL counts from 1.
      end += bytes.length;
      return start;
    });
    const parameters = [
      records.map(({ topic }) => topic),
      records.map(({ partition }) => partition),
      starts,
      values.map(({ bytes }) => bytes.length),
      values.map(({ size }) => size),
      values.map(({ codec }) => codec),
      records.map(({ key }) => key ?? null),
      records.map(({ headers }) => (headers ? JSON.stringify(headers) : null)),
      Buffer.concat(values.map(({ bytes }) => bytes)),
      this.#channel,
    ];
    const appended = await this.#append(parameters);
    if (appended !== records.length) {
      const names = [...new Set(records.map(({ topic, partition }) => `${topic}/${partition}`))];
      throw new VedetteError('VED_TOPIC_MISSING', `Not all of these topics and partitions exist: ${names.join(', ')}`);
    }
  }

  async #append(parameters: readonly unknown[]): Promise<number> {
    const append = async () => {
      const { rows } = await this.#database.query<{ appended: number }>(APPEND, parameters, { prepared: true });
      return firstOf(rows).appended;
    };
    try {
      return await append();
    } catch (error) {
      if ((error as { code?: unknown }).code !== NO_PARTITION) throw error;
      // The housekeeping that makes partitions in time was away.
      await this.prepareAhead();
      return append();
    }
  }

  /** Up to a mebibyte of records (at least one, when there is one) from a position on. */
  async fetch(position: Position, head?: Head): Promise<Fetched> {
    const [fetched] = await this.fetchAll([{ position, head }]);
    return fetched as Fetched;
  }

  /** The same from several positions, which share the mebibyte; the results are in their order. */
  async fetchAll(wanted: ReadonlyArray<{ position: Position; head: Head | undefined }>): Promise<Fetched[]> {
    const { rows } = await this.#database.query<Row>(
      FETCH,
      [
        wanted.map(({ position }) => position.topic),
        wanted.map(({ position }) => position.partition),
        wanted.map(({ position }) => position.offset),
        wanted.map(({ position, head }) => startOf(position, head) ?? '-infinity'),
        Math.max(MIN_FETCH_BYTES, Math.ceil(FETCH_BYTES / wanted.length)),
      ],
      { prepared: true },
    );
    const found = groupByIndex(rows);
    return Promise.all(wanted.map(({ position }, place) => toFetched(position, found.get(place + 1) ?? [])));
  }

  /** Makes the partitions of the coming two hours. */
  async prepareAhead(): Promise<void> {
    await this.#database.query(
      `SELECT ensure_stream_partition(lo, lo + interval '2 hours')
       FROM (SELECT greatest(clock_timestamp(), max(last_at)) AS lo FROM stream_heads) t`,
    );
  }

  /** Drops what is older than `retentionMs`, by whole partitions: up to an hour later than asked for. */
  async expire(retentionMs: number): Promise<string[]> {
    // After a clock that ran ahead was set back, times would stand still, and nothing expire, until it gets there again.
    await this.#database.query(
      "UPDATE stream_heads SET last_at = clock_timestamp() WHERE last_at > clock_timestamp() + interval '1 hour'",
    );
    const { rows } = await this.#database.query<{ now: Date }>('SELECT clock_timestamp() AS now');
    const beforeMs = firstOf(rows).now.getTime() - retentionMs;
    return dropExpiredPartitions(this.#database, { table: 'stream_records', beforeMs });
  }
}

/** The time from which records are looked for; null: from any. */
function startOf({ seenAt }: Position, head: Head | undefined): string | null {
  // A head that is older than the last record means that the clock was set back: then the time is of no use.
  return seenAt !== null && (!head || isNotOlder(head.lastAt, seenAt)) ? seenAt : null;
}

async function toFetched(position: Position, rows: readonly Row[]): Promise<Fetched> {
  const last = rows.at(-1);
  if (!last) return { records: [], next: position };
  const { topic, partition } = position;
  return {
    records: await Promise.all(rows.map(toRecord)),
    next: { topic, partition, offset: last.offset + 1, seenAt: last.at },
  };
}

function groupByIndex(rows: readonly Row[]): Map<number, Row[]> {
  const groups = new Map<number, Row[]>();
  for (const row of rows) {
    const group = groups.get(row.index);
    if (group) group.push(row);
    else groups.set(row.index, [row]);
  }
  return groups;
}

async function toRecord({ offset, ms, codec, size, key, value, headers }: Row): Promise<StreamRecord> {
  return {
    offset,
    timestamp: Math.floor(Number(ms)),
    key: key === null ? null : Buffer.from(key),
    value: await decodeValue({ codec, bytes: value, size }),
    headers: headers ?? {},
  };
}

/** Both are UTC texts of PostgreSQL; without a fraction, one sorts before the same with one, as it should. */
function isNotOlder(a: string, b: string): boolean {
  return a.replace('+00', '') >= b.replace('+00', '');
}
