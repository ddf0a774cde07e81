import { VedetteError } from '../errors.ts';
import { isKnownId } from '../stats/index.ts';
import type { ApiDependencies } from './ports.ts';

/**
 * Numbers of a removed job stay readable, and so do those of results that others publish under an id without a job: only
 * an id that nothing was ever counted for is unknown. Throws VED_JOB_NOT_FOUND.
 */
export async function requireKnownId({ database }: Pick<ApiDependencies, 'database'>, jobId: number): Promise<void> {
  if (await isKnownId(database, jobId)) return;
  throw new VedetteError('VED_JOB_NOT_FOUND', `There is no job ${jobId}, and nothing was counted under this id`);
}
