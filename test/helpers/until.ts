import { setTimeout as delay } from 'node:timers/promises';

/** Polls until `probe` answers something truthy; throws with `what` after `limitMs`. */
export async function until<T>(what: string, probe: () => Promise<T>, limitMs = 30_000): Promise<NonNullable<T>> {
  const end = performance.now() + limitMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await probe();
      if (value) return value;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end) throw new Error(`Gave up waiting for ${what} after ${limitMs} ms`, { cause: last });
    await delay(20);
  }
}
