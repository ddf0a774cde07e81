import { toIso } from '../core/instant.ts';
import { toSeconds } from './numbers.ts';
import type { Series } from './queries/series.ts';

/** A series in JSON, for the API and the command line. */
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
            response_time: toSeconds(series.lastRtMicros),
          },
    counts: { count, up, degraded, down, missed },
  };
}
