import { isSelective, planMetrics } from '../../aggregates/metrics-plan.ts';
import { JobSelections, MetricSelector } from '../../aggregates/selection.ts';
import { createMetricJobs } from '../../jobs/metric-jobs.ts';
import type { Database } from '../../postgres/database.ts';
import type { Settings } from '../../settings.ts';
import { loadJobRules } from '../jobs/rules.ts';

/** Reads which metrics jobs have beside those of all. */
export async function readSelections(settings: Settings, database: Database): Promise<JobSelections> {
  const { toJob } = await loadJobRules(settings);
  const bySelection = settings.metrics.some(isSelective);
  const selections = new JobSelections(new MetricSelector(planMetrics(settings.metrics), settings.metrics));
  for (const job of await createMetricJobs({ database, toJob, bySelection }).readAll()) selections.set(job.jobId, job);
  return selections;
}
