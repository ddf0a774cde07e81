import assert from 'node:assert/strict';
import { test } from 'tap';
import type { CheckResult } from '../../../../src/messages/check-result.ts';
import type { Database } from '../../../../src/postgres/database.ts';
import { MetricsWriter } from '../../../../src/processor/tables/metrics/writer.ts';
import type { MetricRow } from '../../../aggregates/metric-row.ts';
import { mergeRows, plainRows } from '../../../aggregates/reference.ts';
import { createTestDatabase } from '../../../helpers/database.ts';
import { deltasOf, prepare, T, up, write, wrongRows } from './flushes.ts';

/**
 * Random histories of flushes on one connection, of the sizes at which PostgreSQL gives rows back in another order than
 * they came: VEDETTE_SEED repeats one, VEDETTE_STEPS makes it longer.
 */
const NAMES = ['minute', 'hour', 'day'];
const SEED = Number(process.env.VEDETTE_SEED ?? Math.floor(Math.random() * 2 ** 31));
const STEPS = Number(process.env.VEDETTE_STEPS ?? 100);
const SIZES = [1, 2, 7, 7, 40, 40, 200, 500];
const STATUSES = ['200', '404', '500', '__proto__', 'other'];

type Random = (below: number) => number;

/** mulberry32, from 0 to `below` - 1. */
function seeded(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

function batch(random: Random, jobs: number): CheckResult[] {
  const results: CheckResult[] = [];
  const first = random(800);
  for (let job = 0; job < jobs; job++) {
    const slot = T + random(3) * 60_000;
    for (let more = random(4); more >= 0; more--) {
      const outcome = random(4) === 0 ? 'down' : 'up';
      const seen = { status: STATUSES[random(STATUSES.length)], responseTime: (1 + random(40)) / 1_000 };
      const reason = outcome === 'down' ? { reason: 'status' as const } : {};
      results.push({ ...up, jobId: 1 + ((first + job) % 1_000), slot, ts: slot + 3, outcome, ...reason, ...seen });
    }
  }
  return results;
}

class Undone extends Error {}
const undo = () => Promise.reject(new Undone());

/** Writes, aborts, forgets, restarts, and lets the writers meet in the middle of a transaction. */
class History {
  readonly #database: Database;
  readonly #random: Random;
  readonly #writers: MetricsWriter[];
  readonly expected = new Map<string, MetricRow>();

  constructor(database: Database, random: Random) {
    this.#database = database;
    this.#random = random;
    this.#writers = [0, 1, 2].map(() => this.#start());
  }

  async step(): Promise<void> {
    const results = batch(this.#random, SIZES[this.#random(SIZES.length)]);
    const which = this.#random(this.#writers.length);
    const writer = this.#writers[which];
    switch (this.#random(8)) {
      case 0:
        return await this.#aborted(results, writer);
      case 4:
        return await this.#refused(results, writer);
      case 1:
        await write(this.#database, deltasOf(results), writer, undefined, false);
        break;
      case 2:
        writer.forget();
        await write(this.#database, deltasOf(results), writer);
        break;
      case 3:
        this.#writers[which] = this.#start();
        await write(this.#database, deltasOf(results), this.#writers[which]);
        break;
      case 5:
        await write(this.#database, this.#split(results), writer);
        break;
      default:
        await write(this.#database, deltasOf(results), writer);
    }
    mergeRows(this.expected, plainRows(results, NAMES).values());
  }

  #start(): MetricsWriter {
    return new MetricsWriter({ memoryBytes: [0, 100_000, 64 * 1024 * 1024][this.#random(3)] });
  }

  async #aborted(results: CheckResult[], writer: MetricsWriter): Promise<void> {
    await assert.rejects(write(this.#database, deltasOf(results), writer, undo), Undone);
  }

  /** PostgreSQL itself ends the transaction. */
  async #refused(results: CheckResult[], writer: MetricsWriter): Promise<void> {
    const deltas = deltasOf(results);
    await prepare(this.#database, deltas);
    const flush = this.#database.transaction(async (tx) => {
      await writer.write(tx, [deltas]);
      await tx.query('SELECT 1 / 0');
    });
    await assert.rejects(flush, { code: '22012' });
  }

  /** The deltas of several partitions in one flush. */
  #split(results: CheckResult[]) {
    const parts: CheckResult[][] = [[], [], []];
    for (const result of results) parts[this.#random(3)].push(result);
    return parts.filter((part) => part.length > 0).map((part) => deltasOf(part));
  }
}

test(`${STEPS} flushes of several writers on one connection equal a plain count (VEDETTE_SEED=${SEED})`, async (t) => {
  const database = await createTestDatabase(t, { poolSize: 1 });
  const history = new History(database, seeded(SEED));
  for (let step = 1; step <= STEPS; step++) {
    await history.step();
    if (step % 50 !== 0 && step !== STEPS) continue;
    assert.deepEqual(await wrongRows(database, history.expected), [], `after ${step} steps`);
    t.comment(`${step} steps, ${history.expected.size} rows`);
  }
  t.ok(history.expected.size > 2_000, `${history.expected.size} rows`);
});
