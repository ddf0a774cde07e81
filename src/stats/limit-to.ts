import type { ReadModel } from './read-model.ts';

/** An id that no job has, and nothing is counted under. */
const NOBODY = 0;

/** Returns the read model of whoever may see only some jobs. `visible` returns those of the given jobs. */
export function limitTo(
  model: ReadModel,
  tags: readonly string[],
  visible: (jobIds: readonly number[]) => Promise<ReadonlySet<number>>,
): ReadModel {
  const own = async (jobIds: readonly number[]) => {
    const set = await visible(jobIds);
    return jobIds.filter((jobId) => set.has(jobId));
  };
  const scope = async <T extends { jobId: number }>(query: T): Promise<T> => {
    const set = await visible([query.jobId]);
    return set.has(query.jobId) ? query : { ...query, jobId: NOBODY };
  };
  const whole = async (): Promise<never> => {
    throw new Error('Numbers of the whole installation are not for a limited principal');
  };
  return {
    databaseName: model.databaseName,
    schema: model.schema,
    within: () => {
      throw new Error('The read model is limited already');
    },
    connect: () => model.connect(),
    numbers: async (job, query) => ({ ...(await model.numbers(await scope(job), query)), jobId: job.jobId }),
    buckets: async (query) => model.buckets(await scope(query)),
    coverage: async (query) => model.coverage(await scope(query)),
    overview: async (query) => model.overview({ ...query, jobIds: await own(query.jobIds) }),
    results: async (query) => model.results(await scope(query)),
    states: async (jobIds, nowMs) => model.states(await own(jobIds), nowMs),
    spans: async (query) => model.spans(await scope(query)),
    series: (query) => model.series({ ...query, within: tags }),
    countSeries: (filter) => model.countSeries({ ...filter, within: tags }),
    isKnownId: async (jobId) => (await visible([jobId])).has(jobId),
    members: whole,
    seriesTotals: whole,
    fleetTotals: whole,
    countRunningJobs: whole,
    joblessIds: whole,
    databaseFacts: whole,
    deadLetters: whole,
  };
}
