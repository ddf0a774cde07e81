/** Everything that is read for people and programs: shared by the API, the dashboard and the command line. */
export * from './buckets.ts';
export * from './coverage.ts';
export * from './database.ts';
export * from './metrics.ts';
export * from './percentiles.ts';
export * from './results.ts';
export * from './series.ts';
export * from './spans.ts';
export * from './states.ts';
