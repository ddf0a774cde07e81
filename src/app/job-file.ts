import { existsSync } from 'node:fs';
import { VedetteError } from '../errors.ts';
import { createJobFileWatcher } from '../jobs/job-file-watcher.ts';
import { isRetryable } from '../storage/retryable.ts';
import type { Foundation } from './foundation.ts';

/**
 * Applies the job file now and whenever it changes. A wrong file changes nothing: what it did before goes on. Only a
 * start without any job fails on it.
 */
export async function followJobFile({ settings, logger, clock, lifecycle, jobs }: Foundation): Promise<void> {
  const path = settings.jobsFile;
  if (!existsSync(path) && !settings.isJobsFileNamed) {
    logger.info({ path }, 'no job file, jobs come from the API alone');
    return;
  }
  const watcher = createJobFileWatcher({
    path,
    store: jobs.store,
    clock,
    logger,
    validate: jobs.rules.validate,
    resolve: settings.variable,
    isRetryable,
  });
  lifecycle.defer(() => watcher.stop());
  const applied = await watcher.start();
  if (applied instanceof VedetteError && (await jobs.store.list({ limit: 1 })).length === 0) throw applied;
}
