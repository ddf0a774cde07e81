import { setTimeout as delay } from 'node:timers/promises';
import { type Test, test } from 'tap';
import { systemClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/logger.ts';
import type { Database } from '../../src/postgres/database.ts';
import { createDatabase } from '../../src/postgres/pool.ts';
import { createProcessor, type Processor } from '../../src/processor/processor.ts';
import { verify } from '../../src/processor/verify/index.ts';
import type { StreamDriver } from '../../src/streaming/driver.ts';
import { createEmbeddedDriver } from '../../src/streaming/embedded/index.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { databaseDefaults, processorDefaults } from '../helpers/defaults.ts';
import { NaiveCounter, naiveRows } from './naive.ts';
import { storedRows } from './rig.ts';
import { foreignLine, line, START_MS } from './streams.ts';

const PARTITIONS = 4;

interface Node {
  database: Database;
  driver: StreamDriver;
  processor: Processor;
  stop(): Promise<void>;
}

async function startNode(t: Test, connectionString: string, name: string): Promise<Node> {
  const database = await createDatabase({ ...databaseDefaults, connectionString, logger: silentLogger });
  const driver = createEmbeddedDriver({ database, logger: silentLogger, leaseMs: 400, pollMs: 100 });
  const base = { database, driver, logger: silentLogger, clock: systemClock, group: 'vedette', topics: ['checks'] };
  const processor = createProcessor({
    ...processorDefaults,
    ...base,
    flushIntervalMs: 20,
    instanceId: name,
    resultsStore: 'failures',
  });
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= (async () => {
      await processor.stop();
      await driver.close();
      await database.close();
    })();
    return stopped;
  };
  t.teardown(stop);
  await processor.start();
  return { database, driver, processor, stop };
}

test('over the embedded stream: processors come, go and are killed, and the numbers are exact', async (t) => {
  const home = await createTestDatabase(t);
  const driver = createEmbeddedDriver({ database: home, logger: silentLogger, leaseMs: 400, pollMs: 100 });
  t.teardown(() => driver.close());
  await driver.ensureTopics([{ topic: 'checks', partitions: PARTITIONS }], { create: true });
  const producer = await driver.createProducer();
  const naive = new NaiveCounter();
  const nodes = [await startNode(t, home.connectionString, 'one'), await startNode(t, home.connectionString, 'two')];
  const rounds = 40;
  for (let round = 0; round < rounds; round++) {
    const records = Array.from({ length: PARTITIONS }, (_, partition) => {
      const jobs = [1, 2, 3].map((job) => line({ jobId: partition * 3 + job, slot: round }));
      const again = line({ jobId: partition * 3 + 1, slot: round - 1 });
      const value = [...jobs, again, foreignLine(partition * 3 + 2, round), 'rubbish'].join('\n');
      naive.record('checks', value);
      return { topic: 'checks', partition, value: Buffer.from(value) };
    });
    await producer.send(records);
    await delay(10);
    if (round === 10) nodes.push(await startNode(t, home.connectionString, 'three'));
    if (round === 20) await nodes[0].stop();
    // Killed, as far as PostgreSQL is concerned: every connection breaks.
    if (round === 30) {
      await home.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`,
      );
    }
  }
  const deadline = Date.now() + 30_000;
  for (;;) {
    const { rows } = await home.query<{ counted: number }>(
      'SELECT COALESCE(sum(next_offset), 0)::bigint AS counted FROM stream_offsets',
    );
    if (rows[0].counted === rounds * PARTITIONS) break;
    if (Date.now() > deadline) throw new Error(`counted ${rows[0].counted} of ${rounds * PARTITIONS} records`);
    await delay(20);
  }
  t.strictSame(await storedRows(home), Object.fromEntries(naiveRows(naive.counted)));
  const { rows } = await home.query(
    `SELECT sum(results)::bigint AS results, sum(foreign_results)::bigint AS foreign, sum(duplicates)::bigint AS duplicates,
       sum(fenced)::bigint AS fenced, sum(dead_letters)::bigint AS "deadLetters" FROM stream_offsets`,
  );
  t.strictSame(rows, [naive.tally]);
  const range = { fromMs: START_MS - (START_MS % 86_400_000), toMs: START_MS + 86_400_000 };
  const report = await verify({ database: home, driver, topics: ['checks'], ...range });
  t.match(report, { ok: true, differenceCount: 0, notCovered: [], results: naive.counted.length });
});
