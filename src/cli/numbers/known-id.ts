import { VedetteError } from '../../errors.ts';
import type { ReadModel } from '../../stats/index.ts';

/** Throws VED_JOB_NOT_FOUND for an id under which nothing was ever made, scheduled or counted. */
export async function requireKnownId(readModel: Pick<ReadModel, 'isKnownId'>, jobId: number): Promise<void> {
  if (await readModel.isKnownId(jobId)) return;
  throw new VedetteError('VED_JOB_NOT_FOUND', `There is no job ${jobId}, and nothing was counted under this id`);
}
