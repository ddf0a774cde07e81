import { isExposed } from '../installation/exposure.ts';
import { type Heartbeat, startHeartbeat } from '../installation/heartbeat.ts';
import { READ_FIELDS } from '../installation/older-processors.ts';
import { toStoredProblems } from '../lag/positions.ts';
import type { Roles, Services } from './services.ts';

export function startBeating(services: Services, roles: Roles): Heartbeat {
  const { database, logger, clock, instanceId, version, settings, exposure, jobs, older } = services;
  return startHeartbeat({
    database,
    logger,
    clock,
    instanceId,
    version,
    roles: settings.roles,
    location: settings.location,
    isPublic: isExposed(settings),
    onSeen: (isAnyPublic) => exposure.update(isAnyPublic),
    onOlderProcessors: (ids) => older.update(ids),
    stats: () => ({ ...instanceStats(roles), ...(jobs.self.listening ? { listening: jobs.self.listening } : {}) }),
  });
}

/** Numbers of this process for those that add up all processes (`GET /`); a role that it has not is absent. */
function instanceStats({ scheduling, processing }: Roles): Record<string, unknown> {
  const stats: Record<string, unknown> = {};
  if (scheduling) {
    const { running, clockProblem, stallProblem } = scheduling.scheduler.stats();
    stats.runningJobs = running;
    if (clockProblem !== null) stats.clockProblem = clockProblem;
    if (stallProblem !== null) stats.stallProblem = stallProblem;
    if (scheduling.threads) stats.threads = scheduling.threads.stats().length;
    const threadProblem = scheduling.threads?.problem() ?? null;
    if (threadProblem !== null) stats.threadProblem = threadProblem;
    stats.produced = scheduling.publisher.stats().published;
  }
  if (processing) {
    const counted = processing.consumer?.stats();
    stats.reads = READ_FIELDS;
    stats.consumed = counted?.results ?? 0;
    const problems = processing.problem === null ? (counted?.problems ?? []) : [{ reason: processing.problem }];
    if (problems.length > 0) stats.countingProblems = toStoredProblems(problems);
  }
  return stats;
}
