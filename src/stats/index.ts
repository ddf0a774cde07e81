/** The read model: everything that the API, the page and the command line read of numbers, and how it is written for people. */
export { readGranularity } from '../aggregates/granularity.ts';
export {
  finestGranularity,
  gridOf,
  type KeptGranularity,
  keptGranularity,
  widen,
} from './buckets.ts';
export {
  type FleetStatus,
  type InstanceStats,
  type LiveInstance,
  readFleetStatus,
} from './fleet.ts';
export * from './format.ts';
export { type JobNumbers, type Numbers, toSeconds } from './numbers.ts';
export { sumTallies, uptimeOf } from './outcomes.ts';
export { DEAD_LETTER_KINDS } from './queries/dead-letters.ts';
export type { DatabaseFacts, TableFacts } from './queries/facts.ts';
export type { OverviewBucket } from './queries/metrics.ts';
export type { ResultPosition, ResultRow } from './queries/results.ts';
export {
  JOB_PRESENCES,
  type NumberedJob,
  type Series,
  type SeriesFilter,
  type SeriesPosition,
} from './queries/series.ts';
export type { FleetTotals, JobState, LastResult, SeriesTotals } from './queries/states.ts';
export { createReadModel, type JobOverview, type ReadModel } from './read-model.ts';
export { toSeriesView } from './series-view.ts';
export { parseTimeRange, type RangeProblem, type TimeRange } from './time-range.ts';
export { whyUnavailable } from './unavailable.ts';
