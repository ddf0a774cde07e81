import type { Clock } from '../core/clock.ts';
import type { Lifecycle } from '../core/lifecycle.ts';
import type { Logger } from '../core/logger.ts';
import type { JobFilesWatcher } from '../jobs/files/watcher.ts';
import type { LagWatch } from '../lag/lag-watch.ts';
import type { Database } from '../postgres/database.ts';
import type { ProcessorHooks } from '../processor/writing/hooks.ts';
import type { Publisher } from '../scheduler/publisher.ts';
import type { Scheduler } from '../scheduler/scheduler.ts';
import type { Settings } from '../settings.ts';
import type { StreamDriver } from '../streaming/driver.ts';
import type { Counting } from './counting.ts';
import type { Jobs } from './jobs.ts';
import type { Reach } from './reach.ts';
import type { TopicRouter } from './topics.ts';

/** A process with its database. Whoever opens something defers its release to `lifecycle`. */
export interface Ground {
  settings: Settings;
  logger: Logger;
  clock: Clock;
  version: string;
  /** Unique per start: a process that comes back must not be taken for the one that died. */
  instanceId: string;
  lifecycle: Lifecycle;
  /** Aborts when the process is to end. */
  signal: AbortSignal;
  hooks: ProcessorHooks | undefined;
  database: Database;
}

/** What every role of a process stands on. */
export interface Foundation extends Ground {
  driver: StreamDriver;
  /** The fixed number of partitions of a topic, which is made when it is missing. */
  partitionsOf: TopicRouter;
  jobs: Jobs;
  reach: Reach;
  /** Applies the jobs of the settings; null where they have none, or another process does. */
  jobFile: Pick<JobFilesWatcher, 'applyAgain'> | null;
  /** Whether what is in the stream is counted, by whomever. */
  lag: LagWatch;
}

export interface Scheduling {
  scheduler: Scheduler;
  publisher: Publisher;
  /** ms since the epoch; when it was made, until it is started. */
  startedAt: number;
}

/** The roles that this process has; null for those it has not. */
export interface Roles {
  scheduling: Scheduling | null;
  counting: Counting | null;
}
