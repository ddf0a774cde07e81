import { CronSlots } from '../scheduler/cron.ts';

/** How many slots a cron expression has in [fromMs, toMs], both included. */
export function countCronSlots(cron: string, timezone: string | null, fromMs: number, toMs: number): number {
  const slots = new CronSlots(cron, timezone);
  let count = 0;
  for (let slot = slots.next(fromMs - 1); slot !== null && slot <= toMs; slot = slots.next(slot)) count++;
  return count;
}
