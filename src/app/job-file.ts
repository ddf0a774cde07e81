import { existsSync } from 'node:fs';
import { VedetteError } from '../errors.ts';
import { readJobFiles } from '../jobs/files/read.ts';
import { readSites } from '../jobs/files/sites.ts';
import { createJobFilesWatcher } from '../jobs/files/watcher.ts';
import type { JobRules } from '../jobs/rules.ts';
import type { JobDefinition } from '../jobs/store.ts';
import { isRetryable } from '../postgres/retryable.ts';
import type { Settings } from '../settings.ts';
import type { Foundation } from './foundation.ts';

/** Where the settings have their jobs from. */
export interface JobSource {
  /** Files and folders; none when the settings themselves name the sites. */
  paths: readonly string[];
  /** Throws VED_JOBS_FILE_INVALID with every problem. */
  read(): Promise<JobDefinition[]>;
}

/** Whether anything is named, or there is a file of the usual name; if not, jobs come from the API alone. */
export function hasJobSource({ site, jobsFile, isJobsFileNamed }: Settings): boolean {
  return site.url.length > 0 || isJobsFileNamed || jobsFile.some((path) => existsSync(path));
}

/** null without one. */
export function jobSourceOf(settings: Settings, rules: JobRules): JobSource | null {
  if (!hasJobSource(settings)) return null;
  const { site, jobsFile: paths } = settings;
  const options = { rules, resolve: settings.variable };
  if (site.url.length > 0) return { paths: [], read: async () => readSites(site, options) };
  return { paths, read: () => readJobFiles({ ...options, paths }) };
}

/**
 * Applies the jobs of the settings now and whenever their files change. A wrong file changes nothing: what it did before
 * goes on. Only a start without any job fails on it.
 */
export async function followJobFile(foundation: Foundation): Promise<void> {
  const { settings, logger, clock, lifecycle, jobs } = foundation;
  const source = jobSourceOf(settings, jobs.rules);
  if (!source) {
    const add = 'vedette jobs add https://example.com';
    logger.info({ paths: settings.jobsFile, add }, 'no job file, jobs come from the API and the command line alone');
    return;
  }
  const watcher = createJobFilesWatcher({ ...source, store: jobs.store, clock, logger, isRetryable });
  lifecycle.defer(() => watcher.stop());
  foundation.jobFile = watcher;
  const applied = await watcher.start();
  if (!(applied instanceof VedetteError)) return;
  const isFixed = source.paths.length === 0;
  if (isFixed || (await jobs.store.list({ limit: 1 })).length === 0) throw applied;
}
