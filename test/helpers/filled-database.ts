import { resultAt } from '../../benchmarks/results.ts';
import { systemClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/logger.ts';
import type { CheckResult } from '../../src/messages/check-result.ts';
import { encodeResult } from '../../src/messages/encode.ts';
import { partitionOf } from '../../src/messages/partition.ts';
import type { Database } from '../../src/postgres/database.ts';
import { createProcessor } from '../../src/processor/processor.ts';
import { createFakeDriver } from '../processor/fake-driver.ts';
import { processorDefaults } from './defaults.ts';

export interface Filling {
  jobs: number;
  periodMs: number;
  /** How much time of checks; each round of all jobs is counted and written by itself, as it would be in that time. */
  durationMs: number;
  /** When the first slot is. Default: the begin of a day. */
  fromMs?: number;
  /** Called after each round is written. */
  afterRound?: (round: number) => Promise<void>;
}

const PARTITIONS = 4;

/** One result of each job, for the slot `round` periods after the first. */
export function roundOf({ jobs, periodMs, fromMs = Date.UTC(2026, 5, 1) }: Filling, round: number): CheckResult[] {
  return Array.from({ length: jobs }, (_, index) => {
    const jobId = index + 1;
    const slot = fromMs + round * periodMs + ((jobId * 7919) % periodMs);
    return { ...resultAt(round * jobs + index, jobs), jobId, slot, ts: slot + 2 };
  });
}

/** Lines of the results by the partition that they belong to. */
export function blocksByPartition(results: readonly CheckResult[], partitions: number): Map<number, Buffer> {
  const lines = new Map<number, string[]>();
  for (const result of results) {
    const partition = partitionOf(result.jobId, partitions);
    if (!lines.has(partition)) lines.set(partition, []);
    lines.get(partition)?.push(`${encodeResult(result)}\n`);
  }
  return new Map([...lines].map(([partition, texts]) => [partition, Buffer.from(texts.join(''))]));
}

/** Fills metrics and results as a running Vedette would, through a processor. Answers how many results. */
export async function fillDatabase(database: Database, filling: Filling): Promise<number> {
  // Each filling has a log of its own, which begins at its beginning.
  const topic = `filling-${filling.fromMs ?? 0}`;
  const driver = createFakeDriver({ [topic]: PARTITIONS });
  const base = { database, driver, logger: silentLogger, clock: systemClock, group: 'filling', topics: [topic] };
  const processor = createProcessor({ ...processorDefaults, ...base, instanceId: 'filling' });
  await processor.start();
  let results = 0;
  for (let round = 0; round * filling.periodMs < filling.durationMs; round++) {
    for (const [partition, block] of blocksByPartition(roundOf(filling, round), PARTITIONS)) {
      driver.append(topic, partition, block);
    }
    results += filling.jobs;
    while (processor.stats().results < results) {
      if (processor.stats().deadLetters > 0) throw new Error('A result of the filling cannot be read');
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (processor.stats().lag === 0) await processor.flush();
    }
    await filling.afterRound?.(round);
  }
  await processor.stop();
  return results;
}

/** Bytes of a table with its indexes, partitions and overflow, and how many rows it has. */
export async function sizeOf(database: Database, table: string): Promise<{ bytes: number; rows: number }> {
  const { rows } = await database.query<{ bytes: number; rows: number }>(
    `SELECT (SELECT sum(pg_total_relation_size(relid))::bigint FROM pg_partition_tree('${table}')) AS bytes,
      (SELECT count(*) FROM ${table}) AS rows`,
  );
  const [size] = rows;
  if (size?.bytes) return size;
  // pg_partition_tree knows nothing of a table without partitions.
  const plain = await database.query<{ bytes: number; rows: number }>(
    `SELECT pg_total_relation_size('${table}') AS bytes, (SELECT count(*) FROM ${table}) AS rows`,
  );
  return plain.rows[0] as { bytes: number; rows: number };
}
