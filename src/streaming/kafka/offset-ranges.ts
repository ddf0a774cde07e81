import type { OffsetRange, PartitionRange } from '../driver.ts';

/** The part of an OffsetRange that is still to be read. */
export interface OpenRange {
  partition: number;
  next: number;
  /** First offset not wanted; Infinity: followed. */
  end: number;
}

/** Cuts the wanted ranges to the retained ones; those with an end never wait for records to come. */
export function clip(wanted: readonly OffsetRange[], retained: readonly PartitionRange[]): OpenRange[] {
  const retainedOf = new Map(retained.map((range) => [range.partition, range]));
  return wanted.flatMap(({ partition, from, to }) => {
    const range = retainedOf.get(partition);
    if (!range) return [];
    const next = Math.max(from, range.low);
    const end = to === undefined ? Number.POSITIVE_INFINITY : Math.min(to, range.high);
    return next < end ? [{ partition, next, end }] : [];
  });
}
