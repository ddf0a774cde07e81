import type { Transaction } from '../../postgres/database.ts';
import { type ExtrasExpected, keyOf, type ShadowRange } from './shadow/rows.ts';
import { readRecordedMetrics } from './stored-rows.ts';

/** Reads which metrics, beside those of all jobs, stored rows say that they keep. */
export async function readRecorded(
  tx: Transaction,
  ranges: readonly ShadowRange[],
  share: { part: number; parts: number },
): Promise<NonNullable<ExtrasExpected['recorded']>> {
  const recorded = new Map<string, readonly string[]>();
  for (const { plan, fromMs, toMs } of ranges) {
    const known = plan.extras.map(({ key }) => key);
    for (const { keys, ...row } of await readRecordedMetrics(
      tx,
      { granularity: plan.name, fromMs, toMs },
      share,
      known,
    ))
      recorded.set(keyOf(row), keys);
  }
  return recorded;
}
