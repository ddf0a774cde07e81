import { existsSync } from 'node:fs';
import type { Settings } from '../../settings.ts';
import type { JobRules } from '../rules.ts';
import type { JobDefinition } from '../store.ts';
import { readJobFiles } from './read.ts';
import { readSites } from './sites.ts';

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
