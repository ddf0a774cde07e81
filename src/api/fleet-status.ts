import { problemsOf, type Stall } from '../lag/lag-watch.ts';
import { countRunningJobs } from '../stats/index.ts';
import type { ApiDependencies, LiveInstance } from './ports.ts';

/** What all live instances together do, for one answer. */
export interface FleetStatus {
  status: 'ok' | 'degraded';
  /** Why it is degraded; empty when it is not. */
  problems: string[];
  /** ms since the epoch at which the longest running scheduler began; null when none runs. */
  schedulerStartedAt: number | null;
  /** One that runs at several locations is one. */
  runningJobs: number;
  /** Totals since the tables were made. */
  produced: number;
  consumed: number;
  /** null as long as the stream was never asked with success. */
  lag: number | null;
  stalls: readonly Stall[];
  /** Lines that were put aside since the tables were made. */
  refused: number;
  instances: LiveInstance[];
}

/**
 * Sums over live instances. This process speaks for itself with its newest numbers, and alone when the database is away:
 * asking how things are must work just then.
 */
export async function readFleetStatus(dependencies: ApiDependencies): Promise<FleetStatus> {
  const problems: string[] = [];
  let instances: LiveInstance[] = [];
  let jobsOfLocations: number | null = null;
  try {
    instances = await dependencies.liveInstances();
    const locations = new Set(instances.filter(isScheduler).map(({ location }) => location));
    // At one location each job is in one scheduler's hands, and their own numbers are the newest.
    if (locations.size > 1) jobsOfLocations = await countRunningJobs(dependencies.database, [...locations]);
  } catch (error) {
    dependencies.logger.debug({ err: error }, 'live instances could not be read');
    problems.push('PostgreSQL cannot be reached: only this process is counted');
  }
  const { scheduler, processor } = dependencies;
  const [produced, lag] = await Promise.all([dependencies.produced(), dependencies.lag.read()]);
  const others = instances.filter((instance) => !speaksForThisProcess(instance, dependencies));
  const running = [...others.map(({ stats }) => stats.runningJobs ?? 0), scheduler?.stats().runningJobs ?? 0];
  const schedulers = others.filter(isScheduler).map(({ startedAt }) => +startedAt);
  if (scheduler) schedulers.push(scheduler.stats().startedAt);
  const processors = others.filter((instance) => instance.roles.includes('processor')).length + (processor ? 1 : 0);
  const seesAll = problems.length === 0;
  if (seesAll && schedulers.length === 0) problems.push('no scheduler runs: nothing is checked');
  if (seesAll && processors === 0) problems.push('no processor runs: nothing is counted');
  problems.push(...clockProblems(others, dependencies));
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

/** A clock that is wrong moves the slots of its scheduler, so it is everybody's problem. */
function clockProblems(others: readonly LiveInstance[], { scheduler, instanceId }: ApiDependencies): string[] {
  const own = scheduler?.stats().clockProblem ?? null;
  const all = others.map((other) => ({ id: other.instanceId, problem: other.stats.clockProblem ?? null }));
  return [...all, { id: instanceId, problem: own }]
    .filter(({ problem }) => problem !== null)
    .map(({ id, problem }) => `scheduler ${id}: ${problem}`);
}

function isScheduler({ roles }: LiveInstance): boolean {
  return roles.includes('scheduler');
}

function speaksForThisProcess(instance: LiveInstance, { instanceId }: ApiDependencies): boolean {
  return instance.instanceId === instanceId;
}
