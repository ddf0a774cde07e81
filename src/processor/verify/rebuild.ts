import { firstOf } from '../../core/first-of.ts';
import type { Database } from '../../postgres/database.ts';
import { ensureMetricPartitions } from '../../postgres/partitions.ts';
import { replaceMetricRows } from '../tables/metrics/rebuild.ts';
import { whileCountingWaits } from '../tables/pause.ts';
import { type Mismatch, type VerifyOptions, type VerifyReport, verify } from './index.ts';

export interface RebuildOptions extends VerifyOptions {
  /** Only rows of these jobs are changed. */
  jobs?: ReadonlySet<number>;
}

export interface RebuildPlan {
  report: VerifyReport;
  /** Rows that are not what the stream says, with what they are to become. */
  changes: Mismatch[];
  /** Why nothing may be written; empty when it may. */
  refusals: string[];
}

/** Held in memory and written in one transaction. */
export const MAX_CHANGES = 500_000;

/** Compares the buckets of the range with the stream and says what would have to be written. Writes nothing. */
export async function planRebuild(options: RebuildOptions): Promise<RebuildPlan> {
  const { jobs } = options;
  const changes: Mismatch[] = [];
  let count = 0;
  let unprovable = 0;
  const report = await verify({
    ...options,
    onMismatch: (mismatch, isProvable) => {
      if (jobs && !jobs.has(firstOf(mismatch.differences).jobId)) return;
      if (!isProvable) unprovable++;
      else if (++count <= MAX_CHANGES) changes.push(mismatch);
    },
  });
  return { report, changes, refusals: refusalsOf(report, count, unprovable) };
}

/** Writes every row that differs; see carryOut. */
export function rebuild(
  options: RebuildOptions,
  onPlan: (plan: RebuildPlan) => void,
): Promise<RebuildPlan & { written: boolean }> {
  return carryOut(options, () => planRebuild(options), onPlan);
}

/**
 * Plans, shows the plan, and writes it in one transaction. It is exact on a live system, and at first holds nothing up: each
 * row is written only if no processor has counted into it since the comparison, and so still is what the stream says up to
 * the offset of then; what processors count later, they add. Rows that are counted into all the time, such as those of the
 * current day, are compared and written while the processors' flushes wait. Returns what was written last, or planned and
 * refused.
 */
export async function carryOut<Plan extends RebuildPlan>(
  options: RebuildOptions,
  makePlan: () => Promise<Plan>,
  onPlan: (plan: Plan) => void,
): Promise<Plan & { written: boolean }> {
  const plan = await makePlan();
  onPlan(plan);
  if (isNothing(plan)) return { ...plan, written: false };
  if (await write(options, plan.changes)) return { ...plan, written: true };
  return whileCountingWaits(options.database, options.topics, async (tx) => {
    const still = await makePlan();
    if (isNothing(still)) return { ...still, written: false };
    await makePartitions(options.database, still.changes);
    const moved = await replaceMetricRows(tx, still.changes);
    if (moved > 0)
      throw new Error(`${moved} rows were written by something else than a processor: nothing was changed`);
    return { ...still, written: true };
  });
}

function isNothing({ refusals, changes }: RebuildPlan): boolean {
  return refusals.length > 0 || changes.length === 0;
}

class RowsMovedError extends Error {}

async function makePartitions(database: Database, changes: readonly Mismatch[]): Promise<void> {
  const missing = changes.flatMap(({ stored, expected }) => (expected && !stored ? [expected] : []));
  const days = new Set(missing.map(({ granularity, dtMs }) => `${dtMs - (dtMs % DAY_MS)} ${granularity}`));
  for (const day of days) {
    const at = day.indexOf(' ');
    const fromMs = Number(day.slice(0, at));
    await ensureMetricPartitions(database, day.slice(at + 1), fromMs, fromMs + DAY_MS);
  }
}

/** False when a row was not as it had been: then nothing is written. */
async function write({ database }: RebuildOptions, changes: readonly Mismatch[]): Promise<boolean> {
  await makePartitions(database, changes);
  try {
    await database.transaction(
      async (tx) => {
        if ((await replaceMetricRows(tx, changes)) > 0) throw new RowsMovedError();
      },
      { statementTimeoutMs: 0 },
    );
    return true;
  } catch (error) {
    if (error instanceof RowsMovedError) return false;
    throw error;
  }
}

const DAY_MS = 86_400_000;

export function refusalsOf(report: VerifyReport, changes: number, unprovable: number): string[] {
  const refusals: string[] = [];
  if (report.removedUntilMs !== null) {
    refusals.push(
      'the stream no longer holds the whole range' +
        (Number.isFinite(report.removedUntilMs)
          ? `: it has every result from ${new Date(report.removedUntilMs).toISOString()} on`
          : ''),
    );
  }
  for (const { topic, partition, counted, found } of report.unequalPartitions) {
    refusals.push(
      `${counted} results were counted from ${topic}[${partition}], which holds ${found}: its topic was deleted and made again`,
    );
  }
  if (report.aheadSeries > 0)
    refusals.push(`${report.aheadSeries} series are in the middle of being counted: try again`);
  if (unprovable > 0) refusals.push(`of ${unprovable} rows the stream alone cannot say what was counted into them`);
  if (changes > MAX_CHANGES)
    refusals.push(`${changes} rows differ, more than ${MAX_CHANGES} at a time: take a shorter range`);
  return refusals;
}
