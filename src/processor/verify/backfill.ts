import { firstOf } from '../../core/first-of.ts';
import { type Mismatch, verify } from './index.ts';
import { carryOut, MAX_CHANGES, type RebuildOptions, type RebuildPlan, refusalsOf } from './rebuild.ts';
import type { StoredMetricRow } from './stored-rows.ts';

export interface BackfillOptions extends RebuildOptions {
  /** The key of the metric in `metrics.extra`, such as `max_values.days_left`. */
  metric: string;
}

export interface BackfillPlan extends RebuildPlan {
  /** Rows that lack the metric, of which the stream alone cannot say what was counted into them: they are left alone. */
  leftAlone: number;
}

/**
 * What has to be written so that one metric says what the stream says, wherever the stream still has all of a bucket. Rows that
 * are not there are made; in those that are, nothing but the metric changes. Writes nothing.
 */
export async function planBackfill(options: BackfillOptions): Promise<BackfillPlan> {
  const { jobs, metric } = options;
  const changes: Mismatch[] = [];
  let count = 0;
  let leftAlone = 0;
  const report = await verify({
    ...options,
    filled: metric,
    plans: (options.plans ?? []).filter(
      ({ name, extras }) =>
        extras.some(({ key }) => key === metric) || options.selections?.hasOfSome(metric, name) === true,
    ),
    onMismatch: (mismatch, isProvable) => {
      if (jobs && !jobs.has(firstOf(mismatch.differences).jobId)) return;
      const change = changeOf(mismatch, metric);
      if (!change) return;
      if (!isProvable) leftAlone++;
      else if (++count <= MAX_CHANGES) changes.push(change);
    },
  });
  // What the stream no longer has is not filled, and is named in the report.
  const refusals = refusalsOf({ ...report, removedUntilMs: null }, count, 0);
  return { report, changes, refusals, leftAlone };
}

/** Fills a metric as `rebuild` mends rows: in one transaction, also while results are being counted. */
export async function backfill(
  options: BackfillOptions,
  onPlan: (plan: BackfillPlan) => void,
): Promise<BackfillPlan & { written: boolean }> {
  return carryOut(options, () => planBackfill(options), onPlan);
}

/** The part of a mismatch that is about the metric; null when there is none. */
function changeOf(mismatch: Mismatch, metric: string): Mismatch | null {
  const { stored, expected } = mismatch;
  if (!expected) return null;
  if (!stored) return metric in extraOf(expected) ? mismatch : null;
  const { [metric]: is, ...rest } = extraOf(stored);
  const ought = extraOf(expected)[metric];
  if (sameValue(is, ought)) return null;
  const extra = ought === undefined ? rest : { ...rest, [metric]: ought };
  return { ...mismatch, stored, expected: { ...stored, values: { ...stored.values, extra } } };
}

function extraOf({ values }: StoredMetricRow): Record<string, unknown> {
  return values.extra as Record<string, unknown>;
}

/** Values are numbers, or objects of numbers, whose keys PostgreSQL orders in its own way. */
function sameValue(a: unknown, b: unknown): boolean {
  const [left, right] = [a, b].map((value) =>
    JSON.stringify(typeof value === 'object' && value !== null ? Object.entries(value).sort() : value),
  );
  return left === right;
}
