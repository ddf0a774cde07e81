import type { Series } from '../stats/index.ts';
import { toIso } from './job-view.ts';

/** A series as the API and the command line answer it. */
export function toSeriesView(series: Series): Record<string, unknown> {
  const { count, up, degraded, down, missed } = series;
  return {
    job_id: series.jobId,
    job_name: series.name,
    job: series.job,
    location: series.location,
    topic: series.topic,
    foreign: series.foreign,
    last:
      series.lastOutcome === null
        ? null
        : {
            slot: toIso(series.lastSlot),
            ts: toIso(series.lastTs),
            outcome: series.lastOutcome,
            reason: series.lastReason,
            status: series.lastStatus,
            response_time: series.lastRtMicros === null ? null : series.lastRtMicros / 1e6,
          },
    counts: { count, up, degraded, down, missed },
  };
}
