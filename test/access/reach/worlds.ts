import type { FastifyInstance } from 'fastify';
import type { Test } from 'tap';
import { addKey } from '../../../src/access/keys/key-store.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { createJobStore } from '../../../src/jobs/postgres-store.ts';
import type { Database } from '../../../src/postgres/database.ts';
import { ensureMetricPartitions, ensureResultPartitions } from '../../../src/postgres/partitions.ts';
import { testJobRules } from '../../api/test-job-rules.ts';
import { createTestServer } from '../../api/test-server.ts';
import { createTestDatabase } from '../../helpers/database.ts';
import { insertMetric, insertProgress, insertResult, insertSpan } from '../../stats/rows.ts';

const NOW = Date.UTC(2026, 10, 21, 8, 30);
const MINUTE = 60_000;
/** Everything that belongs to a job. */
const TABLES = ['jobs', 'job_versions', 'series_progress', 'schedule_spans', 'results', 'metrics'] as const;
type Table = (typeof TABLES)[number];

export interface WorldJob {
  id: number;
  name: string | null;
  host: string;
  tags: string[] | null;
  running: boolean;
  source: 'api' | 'file';
  isRemoved: boolean;
  ageMinutes: number;
  locations: string[];
  /** Outcomes of raw results, newest first. */
  results: string[];
  metrics: number;
  isScheduled: boolean;
}

/** Ids without a job under which other producers publish. */
export interface World {
  jobs: WorldJob[];
  foreign: number[];
}

export interface Side {
  database: Database;
  app: FastifyInstance;
}

/** A server whose asker is limited to tags, and one that has nothing but what the asker may reach. */
export interface Pair {
  whole: Side;
  own: Side;
  /** Sends as the asker, who is limited on the whole side alone. */
  keyOf(tags: readonly string[]): Promise<{ whole: string; own: string }>;
  fill(world: World): Promise<void>;
  /** Makes the own side a copy of what is within reach on the whole one. */
  copy(tags: readonly string[]): Promise<void>;
  /** The rows within reach on each side, and a fingerprint of all others, without times of changes. */
  state(tags: readonly string[]): Promise<{ whole: unknown; own: unknown; others: string }>;
}

export async function createPair(t: Test): Promise<Pair> {
  const [whole, own] = [await createSide(t), await createSide(t)];
  const columns = await readColumns(whole.database);
  const keys = new Map<string, string>();
  const key = async ({ database }: Side, tags: readonly string[] | null) => {
    const wanted = { name: 'asker', scopes: ['read', 'operate', 'write'] as const, tags, expiresAt: null };
    await database.query("UPDATE api_keys SET revoked_at = now() WHERE name = 'asker' AND revoked_at IS NULL");
    return (await addKey(database, { name: 'test', address: null }, wanted)).text;
  };
  const ownKey = await key(own, null);
  const read = async (database: Database, table: Table, tags: readonly string[] | null) => {
    const { rows } = await database.query<{ rows: string }>(
      `SELECT coalesce(json_agg(part ORDER BY part::text), '[]')::text AS rows FROM (
         SELECT ${columns[table].join(', ')} FROM ${table} WHERE ($1::text[] IS NULL OR job_id IN (
           SELECT job_id FROM jobs WHERE definition -> 'tags' ?| $1))) AS part`,
      [tags],
    );
    return rows[0]!.rows;
  };
  const empty = async ({ database }: Side) => {
    await database.query(TABLES.map((table) => `DELETE FROM ${table}`).join(';'));
  };
  return {
    whole,
    own,
    async keyOf(tags) {
      const text = keys.get(tags.join()) ?? (await key(whole, tags));
      keys.clear();
      keys.set(tags.join(), text);
      return { whole: text, own: ownKey };
    },
    async fill(world) {
      await empty(whole);
      await fill(whole.database, world);
    },
    async copy(tags) {
      await empty(own);
      for (const table of TABLES) {
        const names = columns[table].join(', ');
        await own.database.query(
          `INSERT INTO ${table} (${names}) SELECT ${names} FROM json_populate_recordset(NULL::${table}, $1::json)`,
          [await read(whole.database, table, tags)],
        );
      }
    },
    async state(tags) {
      const timeless = (rows: string) =>
        JSON.parse(rows).map(({ revision: _r, created_at: _c, updated_at: _u, deleted_at: gone, ...row }: Row) => ({
          ...row,
          isGone: gone != null,
        }));
      const others = await whole.database.query<{ others: string }>(
        `SELECT coalesce(string_agg(jobs::text, E'\\n' ORDER BY job_id), '') AS others FROM jobs
         WHERE (definition -> 'tags' ?| $1) IS NOT TRUE`,
        [tags],
      );
      return {
        whole: timeless(await read(whole.database, 'jobs', tags)),
        own: timeless(await read(own.database, 'jobs', null)),
        others: others.rows[0]!.others,
      };
    },
  };
}

type Row = Record<string, unknown>;

async function createSide(t: Test): Promise<Side> {
  const database = await createTestDatabase(t);
  // What was is never deleted; a test begins again.
  await database.query('ALTER TABLE job_versions DISABLE TRIGGER USER');
  await ensureResultPartitions(database, NOW - 60 * MINUTE, NOW);
  for (const granularity of ['minute', 'hour'])
    await ensureMetricPartitions(database, granularity, NOW - 60 * MINUTE, NOW);
  const jobStore = createJobStore({ database, clock: systemClock, ...testJobRules });
  const clock = { ...systemClock, wallMs: () => NOW };
  const options = { loopback: false, rateLimitPerMinute: 0 };
  return { database, app: await createTestServer(t, { database, jobStore, clock, options }) };
}

async function readColumns(database: Database): Promise<Record<Table, string[]>> {
  const { rows } = await database.query<{ table: Table; names: string[] }>(
    `SELECT table_name AS "table", array_agg(column_name::text ORDER BY ordinal_position) AS names
     FROM information_schema.columns WHERE table_name = ANY ($1) AND is_generated = 'NEVER' GROUP BY 1`,
    [TABLES],
  );
  return Object.fromEntries(rows.map(({ table, names }) => [table, names])) as Record<Table, string[]>;
}

async function fill(database: Database, { jobs, foreign }: World): Promise<void> {
  for (const job of jobs) await insertJob(database, job);
  for (const jobId of foreign) {
    await insertProgress(database, { jobId, location: 'foreign-secret', slot: -1, up: 3 });
    await insertResult(database, { jobId, at: NOW - MINUTE, foreign: true, detail: 'foreign-secret' });
    await insertMetric(database, { jobId, at: NOW - MINUTE, up: 3 });
  }
}

async function insertJob(database: Database, job: WorldJob): Promise<void> {
  const { id: jobId, isRemoved } = job;
  const made = new Date(NOW - job.ageMinutes * MINUTE);
  const definition = {
    job_id: jobId,
    ...(job.name === null ? {} : { job_name: job.name }),
    uri: `http://${job.host}/`,
    ...(job.tags === null ? {} : { tags: job.tags }),
  };
  await database.query(
    `INSERT INTO jobs (job_id, definition, version, running, source, revision, created_at, updated_at, deleted_at)
     VALUES ($1, $2, 1, $3, $4, 0, $5, $5, $6)`,
    [jobId, definition, job.running && !isRemoved, job.source, made, isRemoved ? made : null],
  );
  for (const location of job.locations) {
    const last = { outcome: job.results[0] ?? null, up: job.results.length, codes: { 200: job.results.length } };
    await insertProgress(database, { jobId, location, slot: NOW - MINUTE, ...last });
    for (const [index, outcome] of job.results.entries()) {
      const detail = outcome === 'up' ? {} : { detail: `detail of ${job.host}` };
      await insertResult(database, {
        jobId,
        location,
        at: NOW - (index + 1) * MINUTE,
        outcome,
        offset: 10 * index + job.locations.indexOf(location),
        ...detail,
      });
    }
    const rows = { up: 2, down: 1, rt: [1_000, 3_000], hist: { 700: 2 }, data: { 200: 2, 500: 1 } };
    for (let i = 1; i <= job.metrics; i++) {
      await insertMetric(database, { jobId, location, at: NOW - i * MINUTE, ...rows });
      if (i === 1)
        await insertMetric(database, { jobId, location, granularity: 'hour', at: NOW - 30 * MINUTE, ...rows });
    }
    if (job.isScheduled) {
      const end = job.running && !isRemoved ? {} : { to: NOW - MINUTE, slots: 10 };
      await insertSpan(database, { jobId, location, period: MINUTE, from: NOW - 10 * MINUTE, ...end });
    }
  }
}
