import { type Heartbeat, startHeartbeat } from '../installation/instances.ts';
import type { Foundation, Roles } from './foundation.ts';
import { isOpenToOthers } from './reach.ts';

/** Numbers of this process for the ones that speak for all (`GET /`); a role that it has not is absent. */
export function instanceStats({ scheduling, counting }: Roles): Record<string, unknown> {
  const stats: Record<string, unknown> = {};
  if (scheduling) {
    const { running, clockProblem } = scheduling.scheduler.stats();
    stats.runningJobs = running;
    if (clockProblem !== null) stats.clockProblem = clockProblem;
    stats.produced = scheduling.publisher.stats().published;
  }
  if (counting) {
    stats.consumed = counting.stats()?.results ?? 0;
    const problems = counting.problems().slice(0, MAX_PROBLEMS);
    if (problems.length > 0) stats.countingProblems = problems.map(cut);
  }
  return stats;
}

/** The row of a process stays small, whatever goes wrong. */
const MAX_PROBLEMS = 64;
const MAX_REASON = 300;

function cut<Problem extends { reason: string }>(problem: Problem): Problem {
  return { ...problem, reason: problem.reason.slice(0, MAX_REASON) };
}

export function startBeating(foundation: Foundation, roles: Roles): Heartbeat {
  const { database, logger, clock, instanceId, version, settings, reach, jobs } = foundation;
  return startHeartbeat({
    database,
    logger,
    clock,
    instanceId,
    version,
    roles: settings.roles,
    location: settings.location,
    isPublic: isOpenToOthers(settings),
    onSeen: (isAnyPublic) => reach.see(isAnyPublic),
    stats: () => ({ ...instanceStats(roles), ...(jobs.self.listening ? { listening: jobs.self.listening } : {}) }),
  });
}
