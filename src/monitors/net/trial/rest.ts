import type { TimeLimit } from '../time-limit.ts';

/** Judging what a target sends takes at most this share of a processor, however small the pieces are in which it sends. */
const REST_PER_WORK = 10;
const MAX_REST_MS = 200;

/** Rests after `workMs` of work, if that is noticeable. Rejects with the failure when the time is over. */
export async function restAfter(workMs: number, limit: TimeLimit): Promise<void> {
  const restMs = Math.min(workMs * REST_PER_WORK, MAX_REST_MS);
  if (restMs < 1) return;
  let timer: NodeJS.Timeout | undefined;
  const resting = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, restMs);
  });
  try {
    await limit.race(resting);
  } finally {
    clearTimeout(timer);
  }
}
