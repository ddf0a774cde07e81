import type { Logger } from '../core/logger.ts';
import { type LagStatus, problemsOf, type Stall } from '../lag/lag-watch.ts';
import type { ReadModel } from './read-model.ts';

/** A process that gave a sign of life lately. */
export interface LiveInstance {
  instanceId: string;
  roles: readonly string[];
  location: string;
  version: string;
  startedAt: Date;
  seenAt: Date;
  stats: InstanceStats;
}

/** The numbers that an instance sends with each heartbeat; those of a role that it does not have are absent. */
export interface InstanceStats {
  runningJobs?: number;
  /** A fault of the clock of a scheduler; absent when there is none. */
  clockProblem?: string;
  /** Why too many checks of a scheduler have no verdict; absent when few are. */
  stallProblem?: string;
  /** How many threads run the checks of a scheduler; absent when its main thread does. */
  threads?: number;
  /** Threads of a scheduler that ended and have not run steadily since; absent when there are none. */
  threadProblem?: string;
  produced?: number;
  consumed?: number;
  /** Partitions that its processor cannot count. */
  countingProblems?: ReadonlyArray<{ topic?: string; partition?: number; reason: string }>;
}

/** The sources of the fleet's status. `scheduler` and `processor` are those of this process, null without the role. */
export interface FleetSources {
  /** Of this process, as in the table of instances. */
  instanceId: string;
  logger: Pick<Logger, 'debug'>;
  readModel: Pick<ReadModel, 'countRunningJobs'>;
  scheduler: {
    status(): {
      startedAt: number;
      runningJobs: number;
      clockProblem: string | null;
      stallProblem: string | null;
      threadProblem: string | null;
    };
  } | null;
  processor: object | null;
  /** Live instances, this one included. May reject when the database is away. */
  liveInstances(): Promise<LiveInstance[]>;
  /** Results that all processes have brought into the stream, those that are gone included. Never rejects. */
  produced(): Promise<number>;
  lag: { read(): Promise<LagStatus> };
}

/** The status of all live instances together. */
export interface FleetStatus {
  status: 'ok' | 'degraded';
  /** Reasons of the status `degraded`; empty when it is `ok`. */
  problems: string[];
  /** ms since the epoch at which the longest running scheduler began; null when none runs. */
  schedulerStartedAt: number | null;
  /** A job that runs at several locations counts once. */
  runningJobs: number;
  /** Totals since the tables were made. */
  produced: number;
  consumed: number;
  /** null until the stream has been read for the first time. */
  lag: number | null;
  stalls: readonly Stall[];
  /** Dead letters since the tables were made. */
  refused: number;
  instances: LiveInstance[];
}

/**
 * Sums over live instances. The numbers of this process come from its own roles, which are newer than its heartbeat; they
 * alone are counted when the database is away, because the status is needed just then.
 */
export async function readFleetStatus(sources: FleetSources): Promise<FleetStatus> {
  const problems: string[] = [];
  let instances: LiveInstance[] = [];
  let jobsOfLocations: number | null = null;
  try {
    instances = await sources.liveInstances();
    const locations = new Set(instances.filter(isScheduler).map(({ location }) => location));
    // At one location each job belongs to one scheduler, and the schedulers' own numbers are the newest.
    if (locations.size > 1) jobsOfLocations = await sources.readModel.countRunningJobs([...locations]);
  } catch (error) {
    sources.logger.debug({ err: error }, 'live instances could not be read');
    problems.push('PostgreSQL cannot be reached: only this process is counted');
  }
  const { scheduler, processor } = sources;
  const [produced, lag] = await Promise.all([sources.produced(), sources.lag.read()]);
  const others = instances.filter((instance) => !isThisProcess(instance, sources));
  const running = [...others.map(({ stats }) => stats.runningJobs ?? 0), scheduler?.status().runningJobs ?? 0];
  const schedulers = others.filter(isScheduler).map(({ startedAt }) => +startedAt);
  if (scheduler) schedulers.push(scheduler.status().startedAt);
  const processors = others.filter((instance) => instance.roles.includes('processor')).length + (processor ? 1 : 0);
  const seesAll = problems.length === 0;
  if (seesAll && schedulers.length === 0) problems.push('no scheduler runs: nothing is checked');
  if (seesAll && processors === 0) problems.push('no processor runs: nothing is counted');
  problems.push(...schedulerProblems(others, sources));
  problems.push(...problemsOf(lag));
  return {
    status: problems.length === 0 ? 'ok' : 'degraded',
    problems,
    schedulerStartedAt: schedulers.length === 0 ? null : Math.min(...schedulers),
    runningJobs: jobsOfLocations ?? running.reduce((total, jobs) => total + jobs),
    produced,
    consumed: lag.counted,
    lag: lag.lag,
    stalls: lag.stalls,
    refused: lag.refused,
    instances,
  };
}

/** A wrong clock moves the slots of its scheduler, and one without verdicts watches less than it seems: these degrade the fleet. */
function schedulerProblems(others: readonly LiveInstance[], { scheduler, instanceId }: FleetSources): string[] {
  const all = [
    ...others.map(({ instanceId: id, stats }) => ({ id, stats })),
    { id: instanceId, stats: scheduler?.status() },
  ];
  return all.flatMap(({ id, stats }) =>
    [stats?.clockProblem, stats?.stallProblem, stats?.threadProblem].flatMap((text) =>
      text ? [`scheduler ${id}: ${text}`] : [],
    ),
  );
}

function isScheduler({ roles }: LiveInstance): boolean {
  return roles.includes('scheduler');
}

function isThisProcess(instance: LiveInstance, { instanceId }: FleetSources): boolean {
  return instance.instanceId === instanceId;
}
