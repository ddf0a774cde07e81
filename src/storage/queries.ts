/** Everything that is read for people and programs: shared by the API, the dashboard and the command line. */
export * from './queries-buckets.ts';
export * from './queries-coverage.ts';
export * from './queries-database.ts';
export * from './queries-metrics.ts';
export * from './queries-percentiles.ts';
export * from './queries-results.ts';
export * from './queries-series.ts';
export * from './queries-spans.ts';
export * from './queries-states.ts';
