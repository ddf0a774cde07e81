import type { Access } from '../access/access.ts';
import type { AccessAdmin } from '../access/admin.ts';
import type { Actor } from '../access/audit.ts';
import type { Idempotency } from '../access/idempotency.ts';
import type { People } from '../access/people/people.ts';
import type { ProviderSignIn } from '../access/provider/index.ts';
import type { SignIn } from '../access/sessions/sign-in.ts';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import type { StoredJob } from '../jobs/definition.ts';
import type { JobRules } from '../jobs/rules.ts';
import type { JobStore } from '../jobs/store.ts';
import type { LagStatus } from '../lag/lag-watch.ts';
import type { DescribedStream } from '../messages/asyncapi.ts';
import type { ProbeResult } from '../monitors/monitor.ts';
import type { PushReports } from '../push/reports.ts';
import type { LiveInstance, ReadModel } from '../stats/index.ts';

export type { InstanceStats, LiveInstance } from '../stats/index.ts';

/** Everything the API needs from the rest of Vedette. app/ wires it; tests wire their own. */
export interface ApiDependencies {
  /** Of this process, as in the table of instances. */
  instanceId: string;
  version: string;
  logger: Logger;
  clock: Clock;
  options: ApiOptions;
  /** The one way to numbers: handlers never see the database itself. */
  readModel: ReadModel;
  databaseAdmin: DatabaseAdmin;
  access: Access;
  accessAdmin: AccessAdmin;
  idempotency: Idempotency;
  people: People;
  signIn: SignIn;
  /** Sign-in by an OpenID provider; null: the settings name none. */
  provider: ProviderSignIn | null;
  jobStore: JobStore;
  jobRules: Pick<
    JobRules,
    'schema' | 'facts' | 'validate' | 'toDefinition' | 'targetOf' | 'graceOf' | 'redact' | 'restoreSecrets'
  >;
  push: PushPort;
  checks: CheckRunner;
  /** null when the role runs in another process, or nowhere. */
  scheduler: SchedulerPort | null;
  processor: ProcessorPort | null;
  roles: readonly string[];
  stream: StreamInfo;
  /** Live instances, this one included. May reject when the database is away. */
  liveInstances(): Promise<LiveInstance[]>;
  /** Results that all processes have brought into the stream, those that are gone included. Never rejects. */
  produced(): Promise<number>;
  lag: LagPort;
  readiness: readonly ReadinessCheck[];
  /** Granularities that are kept, finest first: `minute`, `hour`, `day`, ... */
  granularities: readonly string[];
}

export interface ApiOptions {
  /** Whether the server listens on a loopback address only; then the Host header must name one (DNS rebinding). */
  loopback: boolean;
  /** Names besides localhost and loopback addresses that a Host header may carry then. */
  allowedHosts: readonly string[];
  /** Whether others than the user of this machine can reach the server: then nothing is answered without a principal. */
  exposed: boolean;
  /** Address of the page as people see it, without a slash at its end; null: as the browser asked. */
  publicUrl?: string | null;
  /** What a request without a principal may do where one is needed. */
  anonymous: 'none' | 'read';
  /** Only probes and /metrics: the process does not have the role `api`. */
  probesOnly?: boolean;
  /** Requests a minute and client; 0 turns the limit off. */
  rateLimitPerMinute: number;
  bodyLimitBytes: number;
  /** Limit of the arrival of a whole request. */
  requestTimeoutMs: number;
  /** Checks by hand under way at once; further ones are refused with 503. */
  maxConcurrentChecks?: number;
  /** Reports that wait for PostgreSQL at once; beyond that the server would only collect requests, and refuses with 503. */
  maxWaitingReports?: number;
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

/** Reports of programs, and where they report. */
interface PushPort extends Pick<PushReports, 'take'> {
  /** Returns the token of a push job; null when it has none (any more). */
  tokenOf(jobId: number): Promise<string | null>;
}

/** Checks a job once, retries left out. It never rejects for what the target does. */
type CheckRunner = (job: StoredJob, signal: AbortSignal) => Promise<CheckReport>;

export interface CheckReport extends ProbeResult {
  /** ms since the epoch. */
  startedAt: number;
}

export interface SchedulerPort {
  status(): SchedulerStatus;
  /** ms since the epoch; null when this scheduler does not own the job. */
  nextSlot(jobId: number): number | null;
}

interface SchedulerStatus {
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
  /** A fault of the clock, for people; null when there is none. */
  clockProblem: string | null;
  /** Why too many checks have no verdict; null when few are. */
  stallProblem: string | null;
  /** The threads that run checks; none: the main thread does. */
  threads: ReadonlyArray<{ underWay: number; restarts: number; busyMs: number }>;
  /** The threads that end again and again, for people; null when there are none. */
  threadProblem: string | null;
}

export interface ProcessorPort {
  status(): ProcessorStatus;
}

export interface ProcessorStatus {
  /** Results counted since the start. */
  consumed: number;
  duplicates: number;
  fenced: number;
  deadLetters: number;
  /** Dead letters by kind. */
  refused: Readonly<Record<string, number>>;
  flushes: number;
  /** Time spent in flushes since the start. */
  flushSeconds: number;
  lastFlushSeconds: number;
}

/** Whether the stream is counted, by the stream's ends and the counted offsets in PostgreSQL. */
export interface LagPort {
  /** As last seen. */
  status(): LagStatus;
  /** As it is now, or as last seen when reading takes long. Never rejects. */
  read(): Promise<LagStatus>;
}

interface StreamInfo {
  /** `embedded`, `kafkajs`, `rdkafka`. */
  driver: string;
  topic: string;
  /** As the AsyncAPI document tells it. */
  described: DescribedStream;
}

export interface ReadinessCheck {
  /** `database`, `stream`, `scheduler`, ... */
  name: string;
  /** Resolves to null when the dependency is ready, otherwise to the reason. Rejections are reasons too. */
  check(): Promise<string | null>;
}

interface DatabaseAdmin {
  /** Brings the tables to the newest version; returns the migrations applied now, by name. */
  migrate(actor: Actor): Promise<string[]>;
  /** Drops everything of Vedette's and recreates it; returns the same as `migrate`. */
  reset(actor: Actor): Promise<string[]>;
}
