import { planMetrics } from '../../src/aggregates/metrics-plan.ts';
import { loadSettings } from '../../src/settings.ts';

/** The settings of an installation in which nothing is set: tests and benchmarks run with the values of production. */
const defaults = loadSettings({ env: {}, cwd: '/nowhere' });

export const databaseDefaults = {
  schema: defaults.storage.schema,
  poolSize: defaults.database.poolSize,
  statementTimeoutMs: defaults.database.statementTimeoutMs,
};

export const serverDefaults = {
  rateLimitPerMinute: defaults.server.rateLimitPerMinute,
  bodyLimitBytes: defaults.server.bodyLimitBytes,
  requestTimeoutMs: defaults.server.requestTimeoutMs,
  allowReset: defaults.server.allowReset,
  trustProxy: defaults.server.trustProxy,
  allowedHosts: defaults.server.allowedHosts,
};

export const oidcDefaults = defaults.server.oidc;

export const sessionDefaults = defaults.server.sessions;

export const publisherDefaults = {
  format: defaults.stream.format,
  cloudEventsSource: defaults.stream.cloudeventsSource,
  lingerMs: defaults.publisher.lingerMs,
  maxBlockBytes: defaults.publisher.blockSizeBytes,
  maxQueueBytes: defaults.publisher.queueSizeBytes,
  successTopic: defaults.topics.success,
  failuresTopic: defaults.topics.failures,
};

export const schedulerDefaults = {
  concurrency: defaults.scheduler.concurrency,
  concurrencyPerHost: defaults.scheduler.concurrencyPerHost,
  lateLimitMs: defaults.scheduler.lateLimitMs,
  leaseMs: defaults.scheduler.leaseMs,
  progressMs: defaults.scheduler.progressIntervalMs,
};

export const processorDefaults = {
  plans: planMetrics(defaults.metrics),
  resultsStore: defaults.results.store,
  flushIntervalMs: defaults.processor.flushIntervalMs,
  limits: { rows: defaults.processor.flushRows },
};
