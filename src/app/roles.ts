import { collectAtRest } from '../core/garbage-at-rest.ts';
import { Exposure } from '../installation/exposure.ts';
import { OlderProcessors } from '../installation/older-processors.ts';
import { watchResets } from '../installation/resets.ts';
import { LagWatch } from '../lag/lag-watch.ts';
import { migrate, pendingMigrations } from '../postgres/migrate.ts';
import { openStream, untilStreamReachable } from '../streaming/open.ts';
import { startBeating } from './heartbeat.ts';
import { followJobFile } from './job-file.ts';
import { openJobs } from './jobs.ts';
import { createProcessing, startHousekeeping, startProcessing } from './processing.ts';
import { createScheduling, startScheduling } from './scheduling.ts';
import type { ProcessContext, Roles, Services } from './services.ts';
import { routeTopics } from './topics.ts';

/** Makes the roles of this process, apart from the API. Nothing of it speaks to a server yet. */
export async function createRoles(context: ProcessContext): Promise<{ services: Services; roles: Roles }> {
  const { settings, logger, clock, database } = context;
  const driver = await openStream(settings, context);
  const partitionsOf = routeTopics(settings, { database, driver, logger });
  const exposure = new Exposure(settings);
  const older = new OlderProcessors(logger);
  const jobs = openJobs({ settings, clock, database, exposure, logger });
  const lag = new LagWatch({ database, driver, clock, logger, resultsTopic: settings.topics.results });
  const services: Services = { ...context, driver, partitionsOf, jobs, exposure, older, lag, jobFile: null };
  const roles = {
    processing: settings.roles.includes('processor') ? createProcessing(services) : null,
    scheduling: settings.roles.includes('scheduler') ? createScheduling(services) : null,
  };
  return { services, roles };
}

/** Migrates if needed and starts the roles. `listen` comes before any check: a job may well check this very server. */
export async function startRoles(services: Services, roles: Roles, listen: () => Promise<void>): Promise<void> {
  const { settings, logger, clock, lifecycle, database, partitionsOf, lag, jobs } = services;
  const { processing, scheduling } = roles;
  await untilStreamReachable(async () => {
    if ((await pendingMigrations(database)).length > 0) await migrate(database, { logger });
    await partitionsOf(settings.topics.results);
  }, services);
  if (processing) await startProcessing(processing, services);
  if (scheduling) await followJobFile(services);
  const heartbeat = startBeating(services, roles);
  lifecycle.defer(() => heartbeat.stop());
  await followResets(services);
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
  if (scheduling) await startScheduling(scheduling, services);
  if (processing) startHousekeeping(services);
  const garbage = collectAtRest(clock);
  lifecycle.defer(() => garbage.stop());
}

/** After a reset of the tables, by any process, the jobs of the file and the views of topics are made again. */
async function followResets(services: Services): Promise<void> {
  const { database, logger, lifecycle, partitionsOf, settings } = services;
  const onError = (error: unknown) => logger.warn({ err: error }, 'what was lost with a reset is not there again yet');
  const stop = await watchResets(
    database,
    () => {
      logger.warn('the tables were dropped and created again');
      partitionsOf.forget();
      void partitionsOf(settings.topics.results).catch(onError);
      void services.jobFile?.applyAgain();
    },
    onError,
  );
  lifecycle.defer(stop);
}
