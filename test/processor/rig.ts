import { setTimeout as delay } from 'node:timers/promises';
import type { Test } from 'tap';
import { systemClock } from '../../src/core/clock.ts';
import { createLogger, silentLogger } from '../../src/core/logger.ts';
import type { Database } from '../../src/postgres/database.ts';
import type { ProcessorLimits } from '../../src/processor/limits.ts';
import { createProcessor, type Processor, type ProcessorOptions } from '../../src/processor/processor.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/database.ts';
import { processorDefaults } from '../helpers/defaults.ts';
import { createFakeDriver, type FakeDriver } from './fake-driver.ts';
import { NaiveCounter, type NaiveRow, naiveRows, naiveTotals } from './naive.ts';

type RigOptions = Partial<Omit<ProcessorOptions, 'limits'>> & { limits?: Partial<ProcessorLimits> };

export interface Rig {
  readonly database: TestDatabase;
  readonly driver: FakeDriver;
  /** A processor that is stopped at teardown, if not before. */
  start(options?: RigOptions): Promise<Processor>;
  /** Resolves when all that was appended is counted. */
  settle(limitMs?: number): Promise<void>;
  /** Compares everything in the database with the naive model of all that was appended. */
  exact(t: Test, options?: { counters?: boolean }): Promise<void>;
}

export async function createRig(t: Test, layout: Record<string, number> = { checks: 1 }): Promise<Rig> {
  const database = await createTestDatabase(t);
  const driver = createFakeDriver(layout);
  const processors: Processor[] = [];
  const rig: Rig = {
    database,
    driver,
    async start(options = {}) {
      const processor = createProcessor({
        database,
        driver,
        logger: process.env.TEST_LOG ? createLogger({ level: 'debug', fd: 2 }) : silentLogger,
        clock: systemClock,
        group: 'test',
        topics: Object.keys(layout),
        ...processorDefaults,
        flushIntervalMs: 5,
        instanceId: `processor-${processors.length + 1}`,
        ...options,
        limits: { ...processorDefaults.limits, ...options.limits },
      });
      processors.push(processor);
      t.teardown(() => processor.stop());
      await processor.start();
      return processor;
    },
    async settle(limitMs = 20_000) {
      const deadline = Date.now() + limitMs;
      for (;;) {
        // Tests kill connections, this one too.
        const behind = await lag(rig).catch((error: Error) => [error.message]);
        if (behind.length === 0) return;
        if (Date.now() > deadline) throw new Error(`not counted within ${limitMs} ms: ${behind.join(', ')}`);
        await delay(5);
      }
    },
    async exact(t, { counters = true } = {}) {
      const naive = countAll(rig);
      const rows = Object.fromEntries(naiveRows(naive.counted));
      t.strictSame(differences(await storedRows(database), rows), [], `${Object.keys(rows).length} rows of metrics`);
      t.strictSame(await storedSeries(database), Object.fromEntries(naive.series), 'progress of the series');
      t.strictSame(await storedTotals(database), naiveTotals(naive.counted), 'totals of the series');
      if (counters) t.strictSame(await storedCounters(database), naive.tally, 'counters');
    },
  };
  return rig;
}

/** The naive model of all records, each partition in its order. Right for streams in which no series has two partitions. */
export function countAll({ driver }: Rig): NaiveCounter {
  const naive = new NaiveCounter();
  for (const { topic, records } of driver.everything()) {
    for (const { value } of records) naive.record(topic, value.toString());
  }
  return naive;
}

async function lag({ database, driver }: Rig): Promise<string[]> {
  const { rows } = await database.query<{ topic: string; partition: number; next: number | null }>(
    'SELECT topic, partition, next_offset AS next FROM stream_offsets',
  );
  return driver.everything().flatMap(({ topic, partition, high }) => {
    const stored = rows.find((row) => row.topic === topic && row.partition === partition)?.next ?? 0;
    return stored < high ? [`${topic} ${partition}: ${stored} of ${high}`] : [];
  });
}

export async function storedRows(database: Database): Promise<Record<string, NaiveRow>> {
  const { rows } = await database.query<NaiveRow & { key: string }>(
    `SELECT concat_ws(' ', granularity, job_id, location, (extract(epoch FROM dt) * 1000)::bigint) AS key, count, up,
       degraded, down, missed, maintenance_up AS "maintenanceUp", maintenance_degraded AS "maintenanceDegraded",
       maintenance_down AS "maintenanceDown", rt_count AS "rtCount", rt_min AS "rtMin", rt_max AS "rtMax", rt_sum AS "rtSum", data, reasons
     FROM metrics`,
  );
  return Object.fromEntries(rows.map(({ key, ...row }) => [key, row]));
}

async function storedSeries(database: Database): Promise<Record<string, { epoch: number; slot: number }>> {
  const { rows } = await database.query<{ key: string; epoch: number; slot: number }>(
    `SELECT concat_ws(' ', topic, job_id, location) AS key, epoch, slot FROM series_progress WHERE slot >= 0`,
  );
  return Object.fromEntries(rows.map(({ key, epoch, slot }) => [key, { epoch, slot }]));
}

/** Where two tables of rows are not the same, the first ten. */
function differences(stored: Record<string, NaiveRow>, expected: Record<string, NaiveRow>): unknown[] {
  const sorted = (_: string, value: unknown) =>
    typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value).sort()) : value;
  return [...new Set([...Object.keys(stored), ...Object.keys(expected)])]
    .filter((key) => JSON.stringify(stored[key], sorted) !== JSON.stringify(expected[key], sorted))
    .slice(0, 10)
    .map((key) => ({ key, stored: stored[key], expected: expected[key] }));
}

interface Totals {
  count: number;
  up: number;
  degraded: number;
  down: number;
  missed: number;
  codes: Record<string, number>;
}

async function storedTotals(database: Database): Promise<Record<string, Totals>> {
  const { rows } = await database.query<Totals & { key: string }>(
    `SELECT concat_ws(' ', topic, job_id, location) AS key, count, up, degraded, down, missed, codes
     FROM series_progress WHERE count > 0`,
  );
  return Object.fromEntries(rows.map(({ key, ...totals }) => [key, totals]));
}

async function storedCounters(database: Database): Promise<Record<string, number>> {
  const { rows } = await database.query<Record<string, number>>(
    `SELECT COALESCE(sum(results), 0)::bigint AS results, COALESCE(sum(foreign_results), 0)::bigint AS foreign,
       COALESCE(sum(duplicates), 0)::bigint AS duplicates, COALESCE(sum(fenced), 0)::bigint AS fenced,
       (SELECT count(*) FROM dead_letters) AS "deadLetters"
     FROM stream_offsets`,
  );
  return rows[0];
}
