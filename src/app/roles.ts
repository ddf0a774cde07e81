import { migrate, pendingMigrations } from '../storage/migrate.ts';
import { openStream, untilStreamThere } from './connections.ts';
import type { Foundation, Ground, Roles } from './foundation.ts';
import { startBeating } from './heartbeat.ts';
import { followJobFile } from './job-file.ts';
import { openJobs } from './jobs.ts';
import { startCounting } from './processing.ts';
import { startScheduling } from './scheduling.ts';
import { createTopicRouter } from './topics.ts';

/** Migrates if needed, opens the stream, and starts what this process does apart from answering requests. */
export async function startRoles(ground: Ground): Promise<{ foundation: Foundation; roles: Roles }> {
  const { settings, logger, clock, lifecycle, database } = ground;
  if ((await pendingMigrations(database)).length > 0) await migrate(database, { logger });
  const driver = await openStream(settings, ground);
  const partitionsOf = createTopicRouter(settings, { database, driver, logger });
  await untilStreamThere(() => partitionsOf(settings.topics.results), ground);
  const jobs = openJobs({ settings, clock, database });
  const foundation: Foundation = { ...ground, driver, partitionsOf, jobs };

  const roles: Roles = { counting: null, scheduling: null };
  if (settings.roles.includes('processor')) roles.counting = await startCounting(foundation);
  if (settings.roles.includes('scheduler')) {
    await followJobFile(foundation);
    roles.scheduling = await startScheduling(foundation);
  }
  const heartbeat = startBeating(foundation, roles);
  lifecycle.defer(() => heartbeat.stop());
  return { foundation, roles };
}
