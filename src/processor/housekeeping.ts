import { schedule } from 'node-cron';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import { deleteDeadInstances } from '../installation/instances.ts';
import { expireVersions } from '../jobs/expired-versions.ts';
import { ifAlone } from '../postgres/advisory-lock.ts';
import type { Database, Transaction } from '../postgres/database.ts';
import { dropExpiredPartitions } from '../postgres/partitions.ts';
import { deleteOldDeadLetters, type LowOffset } from './tables/dead-letters.ts';

/** How long rows are kept, in ms; null: for ever. */
interface Retention {
  results: number | null;
  /** By granularity; one that is not mentioned is kept for ever. */
  metrics: Readonly<Record<string, number | null>>;
  deadLetters: number | null;
  /** Processes that were not seen for so long are forgotten. */
  instances: number;
}

const DEFAULT_RETENTION: Retention = {
  results: 48 * 3_600_000,
  metrics: { minute: 7 * 86_400_000, hour: 90 * 86_400_000, day: null },
  deadLetters: 30 * 86_400_000,
  instances: 86_400_000,
};

export interface HousekeepingOptions {
  database: Database;
  logger: Logger;
  clock: Clock;
  retention?: Partial<Retention>;
  /** Removes records beyond the retention of the embedded stream; Kafka does so by itself. Returns how many. */
  trimStream?: () => Promise<number>;
  /** The first offsets that the stream still has. Absent: decisions about its lines are kept for ever. */
  lowOffsets?: () => Promise<LowOffset[]>;
  /** Further parts by their names, each in a transaction of its own. */
  further?: Readonly<Record<string, (tx: Transaction) => Promise<void>>>;
  /** When it runs, as a cron expression. Default every five minutes. */
  cron?: string;
}

export interface Housekeeping {
  start(): void;
  /** One round, now, without the steps that another process is doing at this moment. */
  run(): Promise<HousekeepingReport>;
  /** Waits for a round under way. */
  stop(): Promise<void>;
}

interface HousekeepingReport {
  droppedPartitions: string[];
  deadLetters: number;
  instances: number;
  /** Stretches of schedules and versions of jobs that no kept row needs. */
  spans: number;
  versions: number;
  stream: number;
  /** Parts that failed; the next round tries again. */
  failed: string[];
}

/**
 * Retention: drops partitions of metrics and results, old dead letters, processes long gone, old records of the embedded
 * stream. Each part is a short transaction of its own under an advisory lock, so that processes take turns.
 */
export function createHousekeeping(options: HousekeepingOptions): Housekeeping {
  const { database, logger, clock, trimStream, lowOffsets, further = {}, cron = '*/5 * * * *' } = options;
  const retention = { ...DEFAULT_RETENTION, ...options.retention };
  let task: ReturnType<typeof schedule> | undefined;
  let running: Promise<HousekeepingReport> | undefined;

  async function round(): Promise<HousekeepingReport> {
    const counts = { deadLetters: 0, instances: 0, spans: 0, versions: 0, stream: 0 };
    const report: HousekeepingReport = { droppedPartitions: [], ...counts, failed: [] };
    const part = async (name: string, work: (tx: Transaction) => Promise<void>) => {
      try {
        await ifAlone(database, `housekeeping ${name}`, work);
      } catch (error) {
        report.failed.push(name);
        logger.warn({ err: error, part: name }, 'housekeeping failed; the next round tries again');
      }
    };
    const nowMs = clock.wallMs();
    for (const [granularity, keepMs] of Object.entries(retention.metrics)) {
      if (keepMs === null) continue;
      await part(`metrics ${granularity}`, async (tx) => {
        const dropped = await dropExpiredPartitions(tx, { table: 'metrics', granularity, beforeMs: nowMs - keepMs });
        report.droppedPartitions.push(...dropped);
      });
    }
    const { results, deadLetters } = retention;
    if (results !== null) {
      await part('results', async (tx) => {
        const dropped = await dropExpiredPartitions(tx, { table: 'results', beforeMs: nowMs - results });
        report.droppedPartitions.push(...dropped);
      });
    }
    if (deadLetters !== null) {
      await part('dead letters', async (tx) => {
        // A stream that cannot be reached may have every line.
        const lows = await lowOffsets?.().catch(() => []);
        report.deadLetters = await deleteOldDeadLetters(tx, deadLetters, lows);
      });
    }
    await part('instances', async (tx) => {
      report.instances = await deleteDeadInstances(tx, retention.instances);
    });
    await part('versions', async (tx) => {
      Object.assign(report, await expireVersions(tx, nowMs, longest([results, ...Object.values(retention.metrics)])));
    });
    for (const [name, work] of Object.entries(further)) await part(name, work);
    if (trimStream) {
      await part('stream', async () => {
        report.stream = await trimStream();
      });
    }
    const { failed, droppedPartitions, ...gone } = report;
    if (droppedPartitions.length > 0) logger.info({ droppedPartitions, ...gone }, 'housekeeping done');
    return report;
  }

  const run = () => {
    running ??= round().finally(() => {
      running = undefined;
    });
    return running;
  };

  return {
    run,
    start() {
      task ??= schedule(cron, () => run(), { noOverlap: true, timezone: 'UTC' });
    },
    async stop() {
      await task?.destroy();
      await running;
    },
  };
}

/** Of several retentions the longest; null, for ever, is longer than any. */
function longest(keepsMs: ReadonlyArray<number | null>): number | null {
  return keepsMs.includes(null) ? null : Math.max(...(keepsMs as number[]));
}
