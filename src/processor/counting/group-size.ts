import { elementAt } from '../../core/element-at.ts';
import type { StreamRecord } from '../../streaming/driver.ts';

/** Rows decoded at a time: enough to keep the columns warm, few enough to keep back pressure fine. */
const GROUP_BYTES = 1024 * 1024;

/** How many records from `start` on are decoded together. */
export function groupSize(records: readonly StreamRecord[], start: number): number {
  let bytes = 0;
  let end = start;
  for (; end < records.length && bytes < GROUP_BYTES; end++) bytes += elementAt(records, end).value.length;
  return end - start;
}
