import { parseSeconds } from '../../core/duration.ts';
import type { JobDefinition } from '../store.ts';
import { JobSet, type JobSetOptions } from './job-set.ts';

/** Sites that the settings name instead of files. */
export interface Sites {
  readonly url: readonly string[];
  /** Seconds or a duration from one check to the next. */
  readonly seconds: string;
  /** Regular expression that each body must match. */
  readonly pattern: string | null;
}

const NAMES: Readonly<Record<string, string>> = {
  uri: 'url',
  check_period_seconds: 'seconds',
};

/** Returns a job for each site, its id derived from its address. Throws VED_JOBS_FILE_INVALID with every problem. */
export function readSites({ url, seconds, pattern }: Sites, options: JobSetOptions): JobDefinition[] {
  const set = new JobSet(options);
  const entries = url.map((uri) => ({
    definition: {
      uri,
      check_period_seconds: parseSeconds(seconds) ?? seconds,
      ...(pattern === null ? {} : { pattern }),
    },
    place: 'site',
    lineOf: () => undefined,
    nameOf: (path: string) => NAMES[path] ?? path,
    derivesId: true,
  }));
  set.addReading('settings', { entries, problems: [] });
  return set.definitions();
}
