import { createHash } from 'node:crypto';
import { withDeadline } from '../../core/deadline.ts';
import type { Database, Transaction } from '../../postgres/database.ts';
import type { TopicPartition } from '../driver.ts';

/** Notifies members of a group that partitions may have become free; the payload is the group. */
export const GROUP_CHANNEL = 'stream_group';

export interface Beat {
  /** The partitions that this member owns now, all renewed. */
  owned: TopicPartition[];
  /** Partitions beyond its share, to be released when it has stopped delivering. */
  excess: TopicPartition[];
  /** Topics that have no partition at all. */
  missing: string[];
  /** The group has no other member. */
  isAlone: boolean;
}

interface Member {
  member: string;
  topics: string[];
}

interface Partition extends TopicPartition {
  free: boolean;
}

/** The whole group as one statement finds it. */
interface Glance {
  isMember: boolean;
  owned: TopicPartition[];
  members: Member[];
  /** Whether another member has expired. */
  hasExpired: boolean;
  partitions: Partition[];
}

// The member before its leases, and those in the order of claims: as in #beat, so that two members never wait for each
// other. A lease that is forgotten by a crash of the server is as good as an expired one: no need to wait for the disk.
const RENEW = `
  WITH unhurried AS MATERIALIZED (
    SELECT set_config('synchronous_commit', 'off', true)
  ), me AS (
    UPDATE stream_members SET expires_at = clock_timestamp() + $3 * interval '1 ms'
    WHERE consumer_group = $1 AND member = $2 RETURNING member
  ), mine AS MATERIALIZED (
    SELECT topic, partition FROM stream_leases WHERE consumer_group = $1 AND owner = $2 AND EXISTS (SELECT FROM me)
    ORDER BY topic COLLATE "C", partition FOR UPDATE
  ), renewed AS (
    UPDATE stream_leases l SET expires_at = clock_timestamp() + $3 * interval '1 ms'
    FROM mine m WHERE l.consumer_group = $1 AND l.owner = $2 AND l.topic = m.topic AND l.partition = m.partition
    RETURNING l.topic, l.partition
  )
  SELECT EXISTS (SELECT FROM me) AS "isMember",
    coalesce((SELECT json_agg(r) FROM renewed r), '[]') AS owned,
    coalesce((SELECT json_agg(json_build_object('member', member, 'topics', topics) ORDER BY member)
      FROM stream_members WHERE consumer_group = $1), '[]') AS members,
    EXISTS (SELECT FROM stream_members
      WHERE consumer_group = $1 AND member <> $2 AND expires_at < clock_timestamp()) AS "hasExpired",
    coalesce((SELECT json_agg(json_build_object('topic', h.topic, 'partition', h.partition,
        'free', l.owner IS NULL OR (l.owner <> $2 AND l.expires_at < clock_timestamp())) ORDER BY h.topic, h.partition)
      FROM stream_heads h
      LEFT JOIN stream_leases l ON l.consumer_group = $1 AND l.topic = h.topic AND l.partition = h.partition
      WHERE h.topic = ANY ($4)), '[]') AS partitions
  FROM unhurried`;

/**
 * Membership of a consumer group through leases in PostgreSQL, compared with the database's clock. Every member renews
 * its own ones, claims free ones up to its share, and returns those beyond it.
 */
export class GroupMembership {
  readonly #database: Database;
  readonly #group: string;
  readonly #member: string;
  readonly #topics: readonly string[];
  readonly #ttlMs: number;
  #joined = false;
  /** Whether the last beat came through: one that fails is repeated in a transaction, which the server ends in time. */
  #isSteady = false;

  constructor(database: Database, group: string, member: string, topics: readonly string[], ttlMs: number) {
    this.#database = database;
    this.#group = group;
    this.#member = member;
    this.#topics = [...new Set(topics)].sort();
    this.#ttlMs = ttlMs;
  }

  /** `mayClaim` false only renews. Leases that are not returned are not this member's any more. */
  async beat(mayClaim: boolean): Promise<Beat> {
    const wasSteady = this.#isSteady;
    this.#isSteady = false;
    const beat = (wasSteady ? await this.#renewAll(mayClaim) : null) ?? (await this.#beat(mayClaim));
    this.#isSteady = true;
    // The others have more than their share now.
    if (!this.#joined) await this.#database.notify(GROUP_CHANNEL, this.#group);
    this.#joined = true;
    return beat;
  }

  #beat(mayClaim: boolean): Promise<Beat> {
    const work = async (tx: Transaction) => {
      await this.#enter(tx);
      const owned = await this.#renew(tx);
      const { rows: members } = await tx.query<Member>(
        'SELECT member, topics FROM stream_members WHERE consumer_group = $1 ORDER BY member',
        [this.#group],
      );
      const { rows: partitions } = await tx.query<Partition>(
        `SELECT h.topic, h.partition, (l.owner IS NULL OR l.expires_at < clock_timestamp()) AS free
         FROM stream_heads h
         LEFT JOIN stream_leases l ON l.consumer_group = $1 AND l.topic = h.topic AND l.partition = h.partition
         WHERE h.topic = ANY($2) ORDER BY h.topic, h.partition`,
        [this.#group, this.#topics],
      );
      const { wanted, excess, missing } = this.#divide(members, partitions, owned);
      if (mayClaim) owned.push(...(await this.#claim(tx, wanted)));
      return { owned, excess, missing, isAlone: members.length === 1 };
    };
    // An answer that takes longer than a lease is useless.
    return this.#database.transaction(work, { statementTimeoutMs: this.#ttlMs });
  }

  /** Renews everything by one statement. Null when there is more to do, for which members must take turns. */
  async #renewAll(mayClaim: boolean): Promise<Beat | null> {
    const parameters = [this.#group, this.#member, this.#ttlMs, this.#topics];
    const renewal = this.#database.query<Glance>(RENEW, parameters, { prepared: true });
    const { rows } = await withDeadline(renewal, this.#ttlMs, 'leases are not renewed in time');
    const { isMember, hasExpired, owned, members, partitions } = rows[0] as Glance;
    if (!isMember || hasExpired) return null;
    const { wanted, excess, missing } = this.#divide(members, partitions, sorted(owned));
    if (excess.length > 0 || (mayClaim && wanted.length > 0)) return null;
    return { owned, excess, missing, isAlone: members.length === 1 };
  }

  /** Returns the free partitions that this member lacks of its share, and those that it has beyond it. */
  #divide(members: readonly Member[], partitions: readonly Partition[], owned: readonly TopicPartition[]) {
    const wanted: TopicPartition[] = [];
    const excess: TopicPartition[] = [];
    const missing: string[] = [];
    for (const topic of this.#topics) {
      const ofTopic = partitions.filter((partition) => partition.topic === topic);
      if (ofTopic.length === 0) missing.push(topic);
      const subscribers = members.filter(({ topics }) => topics.includes(topic)).map(({ member }) => member);
      const share = shareOf(this.#member, subscribers, topic, ofTopic.length);
      const mine = owned.filter((partition) => partition.topic === topic);
      excess.push(...mine.slice(share));
      const free = ofTopic.filter((partition) => partition.free);
      wanted.push(...free.slice(0, Math.max(0, share - mine.length)));
    }
    return { wanted, excess, missing };
  }

  async release(partitions: readonly TopicPartition[]): Promise<void> {
    await this.#database.query(
      `UPDATE stream_leases l SET owner = NULL, expires_at = NULL
       FROM unnest($3::text[], $4::int[]) AS p (topic, partition)
       WHERE l.consumer_group = $1 AND l.owner = $2 AND l.topic = p.topic AND l.partition = p.partition`,
      [this.#group, this.#member, partitions.map(({ topic }) => topic), partitions.map(({ partition }) => partition)],
    );
    await this.#database.notify(GROUP_CHANNEL, this.#group);
  }

  async leave(): Promise<void> {
    await this.#database.query(
      `WITH gone AS (DELETE FROM stream_members WHERE consumer_group = $1 AND member = $2)
       UPDATE stream_leases SET owner = NULL, expires_at = NULL WHERE consumer_group = $1 AND owner = $2`,
      [this.#group, this.#member],
    );
    await this.#database.notify(GROUP_CHANNEL, this.#group);
  }

  /** One member at a time, and no longer than a few milliseconds each. */
  async #enter(tx: Transaction): Promise<void> {
    // A lease that is forgotten by a crash of the server is as good as an expired one: no need to wait for the disk. And a
    // member that freezes in here holds up all others.
    await tx.query(
      `SET LOCAL synchronous_commit = off; SET LOCAL idle_in_transaction_session_timeout = ${Math.trunc(this.#ttlMs)}`,
    );
    const name = `vedette group ${this.#database.schema} ${this.#group}`;
    await tx.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [name]);
    await tx.query('DELETE FROM stream_members WHERE consumer_group = $1 AND expires_at < clock_timestamp()', [
      this.#group,
    ]);
    await tx.query(
      `INSERT INTO stream_members (consumer_group, member, topics, expires_at)
       VALUES ($1, $2, $3, clock_timestamp() + $4 * interval '1 ms')
       ON CONFLICT (consumer_group, member) DO UPDATE SET expires_at = excluded.expires_at`,
      [this.#group, this.#member, this.#topics, this.#ttlMs],
    );
  }

  /** An expired lease that no other member took is renewed too. */
  async #renew(tx: Transaction): Promise<TopicPartition[]> {
    const { rows } = await tx.query<TopicPartition>(
      `UPDATE stream_leases SET expires_at = clock_timestamp() + $3 * interval '1 ms'
       WHERE consumer_group = $1 AND owner = $2 RETURNING topic, partition`,
      [this.#group, this.#member, this.#ttlMs],
    );
    return sorted(rows);
  }

  async #claim(tx: Transaction, partitions: readonly TopicPartition[]): Promise<TopicPartition[]> {
    if (partitions.length === 0) return [];
    const { rows } = await tx.query<TopicPartition>(
      `INSERT INTO stream_leases AS l (consumer_group, topic, partition, owner, epoch, expires_at)
       SELECT $1, p.topic, p.partition, $2, 1, clock_timestamp() + $5 * interval '1 ms'
       FROM unnest($3::text[], $4::int[]) AS p (topic, partition)
       ON CONFLICT (consumer_group, topic, partition) DO UPDATE
       SET owner = excluded.owner, epoch = l.epoch + 1, expires_at = excluded.expires_at
       WHERE l.owner IS NULL OR l.expires_at < clock_timestamp()
       RETURNING topic, partition`,
      [
        this.#group,
        this.#member,
        partitions.map(({ topic }) => topic),
        partitions.map(({ partition }) => partition),
        this.#ttlMs,
      ],
    );
    return rows;
  }
}

function sorted(partitions: TopicPartition[]): TopicPartition[] {
  return partitions.sort((a, b) => (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition));
}

/**
 * How many of `count` partitions a member may own: all the same but for the remainder, which goes to the first ones in
 * an order that differs from topic to topic, so that many topics of one partition are spread as well.
 */
export function shareOf(member: string, subscribers: readonly string[], topic: string, count: number): number {
  const ranked = subscribers
    .map((name) => ({ name, rank: createHash('md5').update(`${topic}\0${name}`).digest('hex') }))
    .sort((a, b) => (a.rank < b.rank ? -1 : 1));
  const place = ranked.findIndex(({ name }) => name === member);
  if (place === -1) return 0;
  return Math.floor(count / ranked.length) + (place < count % ranked.length ? 1 : 0);
}
