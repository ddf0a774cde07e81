import { CronSlots } from './cron-slots.ts';

/** Returns what is accepted in place of a cron expression that has no next time or cannot be read; null: it is valid. */
export function cronProblem(expression: string, timezone: string | null): string | null {
  try {
    const slots = new CronSlots(expression, timezone);
    return slots.next(Date.now()) === null ? 'a cron expression that has a next time' : null;
  } catch (error) {
    return `a cron expression: ${(error as Error).message}`;
  }
}
