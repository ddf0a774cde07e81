import { cronGapMs } from './cron-expression.ts';
import type { Job } from './definition.ts';
import { type CommonFields, commonFields, DEFAULT_LOCATION, DEFAULT_PERIOD_SECONDS, DEFAULT_TYPE } from './fields.ts';
import { shownName } from './secrets.ts';
import type { JobDefinition } from './store.ts';

const DEFAULT_TIMEOUT_MS = 10_000;

/** The shortest time from one slot to the next, ms. */
export function distanceMs(periodMs: number | null, cron: string | null): number {
  if (periodMs !== null) return periodMs;
  const gap = cron === null ? Number.POSITIVE_INFINITY : cronGapMs(cron);
  return typeof gap === 'number' ? gap : Number.POSITIVE_INFINITY;
}

/** min(10 s, 80 % of the distance of the slots). */
export function defaultTimeoutMs(periodMs: number | null, cron: string | null): number {
  return Math.min(DEFAULT_TIMEOUT_MS, Math.max(1, Math.floor(distanceMs(periodMs, cron) * 0.8)));
}

/** Null if a cron expression gives the schedule. */
export function periodMsOf({ check_period_seconds: seconds, check_cron: cron }: CommonFields): number | null {
  if (seconds === undefined && cron !== undefined) return null;
  return Math.round((seconds ?? DEFAULT_PERIOD_SECONDS) * 1000);
}

/** Maps a definition of a monitor type in wire names to a Job, once. Fields that are not common belong to the type. */
export function toJob(definition: JobDefinition, jobId: number, type = String(definition.type ?? DEFAULT_TYPE)): Job {
  const fields = definition as CommonFields;
  const options: Record<string, unknown> = {};
  for (const key in definition) if (!(key in commonFields) && key !== 'type') options[key] = definition[key];
  const periodMs = periodMsOf(fields);
  const cron = periodMs === null ? (fields.check_cron ?? null) : null;
  const { timeout_seconds: timeout, retry_pause_seconds: pause } = fields;
  return {
    jobId,
    name: shownName(definition) ?? `job ${jobId}`,
    description: fields.description ?? null,
    type,
    periodMs,
    cron,
    cronTimezone: cron === null ? null : (fields.check_cron_timezone ?? null),
    timeoutMs: timeout === undefined ? defaultTimeoutMs(periodMs, cron) : Math.max(1, Math.round(timeout * 1000)),
    retries: fields.retries ?? 0,
    retryPauseMs: pause === undefined ? null : Math.round(pause * 1000),
    locations: fields.location === undefined ? DEFAULT_LOCATIONS : [fields.location].flat(),
    tags: fields.tags ?? NO_TAGS,
    secrets: fields.secrets ?? NO_TAGS,
    enabled: fields.enabled ?? true,
    topic: fields.topic ?? null,
    ...(fields.metrics === undefined || fields.metrics.length === 0 ? {} : { metrics: fields.metrics }),
    options,
  };
}

// One object for the many jobs with default values.
const DEFAULT_LOCATIONS: readonly string[] = Object.freeze([DEFAULT_LOCATION]);
const NO_TAGS: readonly string[] = Object.freeze([]);

/** Returns the wire form of a job, defaults of the common fields filled in. */
export function toDefinition(job: Job): JobDefinition {
  const { locations } = job;
  return {
    job_id: job.jobId,
    job_name: job.name,
    ...(job.description === null ? {} : { description: job.description }),
    type: job.type,
    ...(job.periodMs === null ? {} : { check_period_seconds: job.periodMs / 1000 }),
    ...(job.cron === null ? {} : { check_cron: job.cron }),
    ...(job.cronTimezone === null ? {} : { check_cron_timezone: job.cronTimezone }),
    timeout_seconds: job.timeoutMs / 1000,
    retries: job.retries,
    ...(job.retryPauseMs === null ? {} : { retry_pause_seconds: job.retryPauseMs / 1000 }),
    enabled: job.enabled,
    tags: [...job.tags],
    ...(job.secrets.length === 0 ? {} : { secrets: [...job.secrets] }),
    location: locations.length === 1 ? locations[0] : [...locations],
    ...(job.topic === null ? {} : { topic: job.topic }),
    ...(job.metrics === undefined ? {} : { metrics: job.metrics.map((metric) => ({ ...metric })) }),
    ...job.options,
  };
}
