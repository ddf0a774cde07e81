import { VedetteError } from '../../errors.ts';
import type { ApiDependencies } from '../ports.ts';

/**
 * Throws VED_JOB_NOT_FOUND for an id under which nothing was ever counted or scheduled. Numbers of a removed job stay
 * readable, and so do those of results that others publish under an id without a job.
 */
export async function requireKnownId({ readModel }: Pick<ApiDependencies, 'readModel'>, jobId: number): Promise<void> {
  if (await readModel.isKnownId(jobId)) return;
  throw new VedetteError('VED_JOB_NOT_FOUND', `There is no job ${jobId}, and nothing was counted under this id`);
}
