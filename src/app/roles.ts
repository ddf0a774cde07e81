import { watchResets } from '../installation/resets.ts';
import { LagWatch } from '../lag/lag-watch.ts';
import { migrate, pendingMigrations } from '../postgres/migrate.ts';
import { openStream, untilStreamThere } from './connections.ts';
import type { Foundation, Ground, Roles } from './foundation.ts';
import { startBeating } from './heartbeat.ts';
import { followJobFile } from './job-file.ts';
import { openJobs } from './jobs.ts';
import { createProcessing, startCounting, startHousekeeping } from './processing.ts';
import { Reach } from './reach.ts';
import { createScheduling, startScheduling } from './scheduling.ts';
import { createTopicRouter } from './topics.ts';

/** Makes what this process does apart from answering requests. Nothing of it speaks to a server yet. */
export async function createRoles(ground: Ground): Promise<{ foundation: Foundation; roles: Roles }> {
  const { settings, logger, clock, database } = ground;
  const driver = await openStream(settings, ground);
  const partitionsOf = createTopicRouter(settings, { database, driver, logger });
  const reach = new Reach(settings, clock);
  const jobs = openJobs({ settings, clock, database, reach });
  const lag = new LagWatch({ database, driver, clock, logger, resultsTopic: settings.topics.results });
  const foundation: Foundation = { ...ground, driver, partitionsOf, jobs, reach, lag, jobFile: null };
  const roles = {
    counting: settings.roles.includes('processor') ? createProcessing(foundation) : null,
    scheduling: settings.roles.includes('scheduler') ? createScheduling(foundation) : null,
  };
  return { foundation, roles };
}

/** Migrates if needed and starts the roles. `listen` comes before any check: a job may well check this very server. */
export async function startRoles(
  foundation: Foundation,
  { counting, scheduling }: Roles,
  listen: () => Promise<void>,
): Promise<void> {
  const { settings, logger, lifecycle, database, partitionsOf, lag, jobs } = foundation;
  await untilStreamThere(async () => {
    if ((await pendingMigrations(database)).length > 0) await migrate(database, { logger });
    await partitionsOf(settings.topics.results);
  }, foundation);
  if (counting) await startCounting(counting, foundation);
  if (scheduling) await followJobFile(foundation);
  const heartbeat = startBeating(foundation, { counting, scheduling });
  lifecycle.defer(() => heartbeat.stop());
  await followResets(foundation);
  lag.start();
  lifecycle.defer(() => lag.stop());
  // Before anybody can reach this process the others know of it, and before a check this one knows of the others.
  const tell = () =>
    heartbeat.beat().catch((error) => logger.debug({ err: error }, 'heartbeat at the start could not be written'));
  await tell();
  await listen();
  // Where it listens is known from now on; others look for it as soon as it says that it is ready.
  await tell();
  jobs.self.isTold = true;
  if (scheduling) await startScheduling(scheduling, foundation);
  if (counting) startHousekeeping(foundation);
}

/** What a reset of the tables takes away, by whomever, is put there again: the jobs of the file, and views of topics. */
async function followResets(foundation: Foundation): Promise<void> {
  const { database, logger, lifecycle, partitionsOf, settings } = foundation;
  const onError = (error: unknown) => logger.warn({ err: error }, 'what was lost with a reset is not there again yet');
  const stop = await watchResets(
    database,
    () => {
      logger.warn('the tables were made anew');
      partitionsOf.forget();
      void partitionsOf(settings.topics.results).catch(onError);
      void foundation.jobFile?.applyAgain();
    },
    onError,
  );
  lifecycle.defer(stop);
}
