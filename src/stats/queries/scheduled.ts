import { overlapsSql } from './spans.ts';

interface ScheduledSql {
  /** Condition on `job_id` of the spans. */
  jobs: string;
  /** Placeholders of the range, timestamps. */
  from: string;
  to: string;
}

const millis = (timestamp: string) => `(extract(epoch FROM ${timestamp}::timestamptz) * 1000)::bigint`;

/** Whether a row of `metrics` is of a location that its job was scheduled at in the range. The subquery is hashed once. */
export function isScheduledSql({ jobs, from, to }: ScheduledSql): string {
  return `(job_id, location) IN (
    SELECT job_id, location FROM schedule_spans
    WHERE ${jobs} AND ${overlapsSql(millis(from), millis(to))})`;
}

/** The sums of a `SlotTally` over rows with a column `is_scheduled`. */
export const slotTallySql = `
  coalesce(sum(up + degraded + down) FILTER (WHERE is_scheduled), 0)::bigint AS "slotsKnown",
  coalesce(sum(missed) FILTER (WHERE is_scheduled), 0)::bigint AS "slotsMissed"`;
