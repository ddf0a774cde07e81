import { VedetteError } from '../errors.ts';
import { jobSourceOf } from '../jobs/files/source.ts';
import { createJobFilesWatcher } from '../jobs/files/watcher.ts';
import { isRetryable } from '../postgres/retryable.ts';
import type { Services } from './services.ts';

/**
 * Applies the jobs of the settings now and whenever their files change. A wrong file changes nothing: its former jobs go
 * on. Only a start without any job fails on it.
 */
export async function followJobFile(services: Services): Promise<void> {
  const { settings, logger, clock, lifecycle, jobs } = services;
  const source = jobSourceOf(settings, jobs.rules);
  if (!source) {
    const add = 'vedette jobs add https://example.com';
    logger.info({ paths: settings.jobsFile, add }, 'no job file, jobs come from the API and the command line alone');
    return;
  }
  const actor = { name: `file:${source.paths.join(',') || 'settings'}`, address: null };
  const store = jobs.store.as({ actor, tags: null });
  const watcher = createJobFilesWatcher({ ...source, store, clock, logger, isRetryable });
  lifecycle.defer(() => watcher.stop());
  services.jobFile = watcher;
  const applied = await watcher.start();
  if (!(applied instanceof VedetteError)) return;
  const isFixed = source.paths.length === 0;
  if (isFixed || (await jobs.store.list({ limit: 1 })).length === 0) throw applied;
}
