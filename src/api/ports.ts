import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import type { StoredJob } from '../jobs/definition.ts';
import type { JobRules } from '../jobs/rules.ts';
import type { JobStore } from '../jobs/store.ts';
import type { LagStatus } from '../lag/lag-watch.ts';
import type { ProbeResult } from '../monitors/monitor.ts';
import type { Database } from '../postgres/database.ts';
import type { CronSlotCounter } from '../stats/index.ts';

/** Everything the API needs from the rest of Vedette. app.ts wires it; tests wire what they want to see. */
export interface ApiDependencies {
  /** Of this process, as in the table of instances. */
  instanceId: string;
  version: string;
  logger: Logger;
  clock: Clock;
  options: ApiOptions;
  database: Database;
  databaseAdmin: DatabaseAdmin;
  jobStore: JobStore;
  jobRules: Pick<JobRules, 'schema' | 'facts' | 'validate' | 'toDefinition' | 'redact' | 'restoreSecrets'>;
  checks: CheckRunner;
  /** null when the role runs in another process, or nowhere. */
  scheduler: SchedulerPort | null;
  processor: ProcessorPort | null;
  roles: readonly string[];
  stream: StreamInfo;
  /** Instances that gave a sign of life lately, this one included. May reject when the database is away. */
  liveInstances(): Promise<LiveInstance[]>;
  /** Results that all processes have brought into the stream, those that are gone included. Never rejects. */
  produced(): Promise<number>;
  lag: LagPort;
  readiness: readonly ReadinessCheck[];
  cronSlots: CronSlotCounter;
  /** Granularities that are kept, finest first: `minute`, `hour`, `day`, ... */
  granularities: readonly string[];
}

export interface ApiOptions {
  /** Whether the server listens on a loopback address only; then the Host header must name one (DNS rebinding). */
  loopback: boolean;
  /** Names besides localhost and loopback addresses that a Host header may carry then. */
  allowedHosts: readonly string[];
  auth: AuthOptions;
  /** Answer nothing but probes and /metrics: the process does not have the role `api`. */
  probesOnly?: boolean;
  /** Requests a minute and client; 0 turns the limit off. */
  rateLimitPerMinute: number;
  bodyLimitBytes: number;
  /** A request that has not arrived whole by then is ended. */
  requestTimeoutMs: number;
  /** Checks by hand under way at once; further ones are answered 503. */
  maxConcurrentChecks?: number;
  /** Whether /metrics has counters per job, and for how many series at most. */
  perJobMetrics?: boolean;
  maxMetricSeries?: number;
  /** Counters of the database are read at most this often for /metrics. */
  metricsCacheMs?: number;
  /** Whether POST /db/init may drop and recreate the tables. */
  allowReset: boolean;
  /** Proxies whose X-Forwarded-For is believed: addresses or CIDR ranges. */
  trustProxy: readonly string[] | boolean;
}

export interface AuthOptions {
  /** What needs a key: routes that change things, every route (probes and the practice site excepted), or none. */
  required: 'changes' | 'everything' | 'nothing';
  /** Plain keys, or `sha256:` and the hash of one in hex. */
  keys: readonly string[];
}

/** Checks a job once, retries left out. It never rejects for what the target does. */
export type CheckRunner = (job: StoredJob, signal: AbortSignal) => Promise<CheckReport>;

export interface CheckReport extends ProbeResult {
  /** ms since the epoch. */
  startedAt: number;
}

export interface SchedulerPort {
  stats(): SchedulerStats;
  /** ms since the epoch; null when the job is not in this scheduler's hands. */
  nextSlot(jobId: number): number | null;
}

export interface SchedulerStats {
  /** ms since the epoch. */
  startedAt: number;
  runningJobs: number;
  /** Results acknowledged by the stream since the start. */
  produced: number;
  /** Slots given up since the start, by reason. */
  missedByReason: Readonly<Record<string, number>>;
  /** Checks under way. */
  inFlight: number;
  /** Bytes of results that wait for the stream. */
  queuedBytes: number;
  /** How late checks began over the last minute or so, ms. */
  latenessMs: { p50: number; p99: number; max: number };
  /** How far this machine's clock is ahead of the database's; null when that is not known. */
  clockAheadMs: number | null;
  /** What is wrong with the clock, for people; null when nothing is. */
  clockProblem: string | null;
}

export interface ProcessorPort {
  stats(): ProcessorStats;
}

export interface ProcessorStats {
  /** Results counted since the start. */
  consumed: number;
  duplicates: number;
  fenced: number;
  deadLetters: number;
  /** The same, by why. */
  refused: Readonly<Record<string, number>>;
  flushes: number;
  /** Time spent in flushes since the start. */
  flushSeconds: number;
  lastFlushSeconds: number;
}

/** Whether what is in the stream is counted: what the stream and PostgreSQL say, never a processor. */
export interface LagPort {
  /** As last seen. */
  status(): LagStatus;
  /** As it is now, or as last seen when asking takes long. Never rejects. */
  read(): Promise<LagStatus>;
}

export interface StreamInfo {
  /** `embedded`, `kafkajs`, `rdkafka`. */
  driver: string;
  topic: string;
}

export interface LiveInstance {
  instanceId: string;
  roles: readonly string[];
  location: string;
  version: string;
  startedAt: Date;
  seenAt: Date;
  stats: InstanceStats;
}

/** What an instance says of itself with each heartbeat; a role that it does not have is absent. */
export interface InstanceStats {
  runningJobs?: number;
  /** What is wrong with the clock of a scheduler; absent when nothing is. */
  clockProblem?: string;
  produced?: number;
  consumed?: number;
  /** What a processor knows of partitions that it cannot count. */
  countingProblems?: ReadonlyArray<{ topic?: string; partition?: number; reason: string }>;
}

export interface ReadinessCheck {
  /** `database`, `stream`, `scheduler`, ... */
  name: string;
  /** Answers null when the dependency is ready, otherwise why not. Rejections are reasons too. */
  check(): Promise<string | null>;
}

export interface DatabaseAdmin {
  /** Brings the tables to the newest version; answers the migrations applied now, by name. */
  migrate(): Promise<string[]>;
  /** Drops everything of Vedette's and recreates it; answers as `migrate`. */
  reset(): Promise<string[]>;
}
