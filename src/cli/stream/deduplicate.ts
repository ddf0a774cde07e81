import type { AnyResult } from '../../messages/decode.ts';

/**
 * Drops repetitions, which a stream may hold, by the rule that counting has: epoch and slot of a series only grow. What
 * was in the stream before the first look is not known, so the first result of each series is taken as it is.
 */
export function createDeduplicator(): (result: AnyResult) => boolean {
  const last = new Map<string, { epoch: number; slot: number }>();
  return (result) => {
    const { jobId, location, epoch, slot } = result;
    if (slot === null) return true;
    const key = `${jobId} ${location}`;
    const known = last.get(key);
    if (known && (epoch < known.epoch || slot <= known.slot)) return false;
    last.set(key, { epoch, slot });
    return true;
  };
}
