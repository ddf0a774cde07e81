import { type Heartbeat, startHeartbeat } from '../storage/instances.ts';
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
  const counted = counting?.stats();
  if (counted) {
    stats.consumed = counted.results;
    stats.lag = counted.lag;
  }
  return stats;
}

export function startBeating(foundation: Foundation, roles: Roles): Heartbeat {
  const { database, logger, clock, instanceId, version, settings, reach } = foundation;
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
    stats: () => instanceStats(roles),
  });
}
