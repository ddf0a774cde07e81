import { checkJobMetrics } from '../../src/aggregates/metrics-plan.ts';
import { createJobRules } from '../../src/jobs/rules.ts';
import { monitors } from '../../src/monitors/index.ts';
import { CronSlots } from '../../src/scheduler/cron/cron-slots.ts';

/** The real rules, with a gate that lets everything through. */
export const testJobRules = createJobRules({
  monitors,
  metricProblems: (metrics) => checkJobMetrics(metrics, []),
  context: { gate: { refusal: () => null }, userAgent: 'test' },
  cronProblem: (expression, timezone) => {
    try {
      return new CronSlots(expression, timezone) && null;
    } catch (error) {
      return (error as Error).message;
    }
  },
});
