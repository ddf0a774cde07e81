import type { Clock } from '../core/clock.ts';
import type { Lifecycle } from '../core/lifecycle.ts';
import type { Logger } from '../core/logger.ts';
import type { Exposure } from '../installation/exposure.ts';
import type { OlderProcessors } from '../installation/older-processors.ts';
import type { JobFilesWatcher } from '../jobs/files/watcher.ts';
import type { LagWatch } from '../lag/lag-watch.ts';
import type { Database } from '../postgres/database.ts';
import type { Processor } from '../processor/processor.ts';
import type { ProcessorHooks } from '../processor/writing/hooks.ts';
import type { CheckThreads } from '../scheduler/checks/threads/check-threads.ts';
import type { Publisher } from '../scheduler/publishing/publisher.ts';
import type { Scheduler } from '../scheduler/scheduler.ts';
import type { Settings } from '../settings.ts';
import type { StreamDriver } from '../streaming/driver.ts';
import type { TopicFollower } from '../streaming/topic-follower.ts';
import type { TopicRouter } from '../streaming/topic-router.ts';
import type { Jobs } from './jobs.ts';

/** A process with its database. Code that opens something defers its release to `lifecycle`. */
export interface ProcessContext {
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

/** The services that every role of a process uses. */
export interface Services extends ProcessContext {
  driver: StreamDriver;
  /** The fixed number of partitions of a topic, which is made when it is missing. */
  partitionsOf: TopicRouter;
  jobs: Jobs;
  exposure: Exposure;
  /** Whether processors of an older version are alive. */
  older: OlderProcessors;
  /** Applies the jobs of the settings; null where they have none, or another process does. */
  jobFile: Pick<JobFilesWatcher, 'applyAgain'> | null;
  /** Whether the results in the stream are counted, by any process. */
  lag: LagWatch;
}

export interface Scheduling {
  scheduler: Scheduler;
  publisher: Publisher;
  /** null: checks run on the main thread. */
  threads: CheckThreads | null;
  /** ms since the epoch; when it was made, until it is started. */
  startedAt: number;
}

/** The roles that this process has; null for the others. */
export interface Roles {
  scheduling: Scheduling | null;
  processing: TopicFollower<Processor> | null;
}
