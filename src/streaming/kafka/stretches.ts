import type { PartitionRange, Stretch } from '../driver.ts';

/** What is still to be read of a partition. */
export interface OpenStretch {
  partition: number;
  next: number;
  /** First offset not wanted; Infinity: followed. */
  end: number;
}

/** What is retained of the stretches; those with an end never wait for records to come. */
export function clip(stretches: readonly Stretch[], ranges: readonly PartitionRange[]): OpenStretch[] {
  const retained = new Map(ranges.map((range) => [range.partition, range]));
  return stretches.flatMap(({ partition, from, to }) => {
    const range = retained.get(partition);
    if (!range) return [];
    const next = Math.max(from, range.low);
    const end = to === undefined ? Number.POSITIVE_INFINITY : Math.min(to, range.high);
    return next < end ? [{ partition, next, end }] : [];
  });
}
