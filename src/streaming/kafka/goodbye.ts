import { withDeadline } from '../../core/deadline.ts';
import type { Logger } from '../../core/logger.ts';

const GOODBYE_MS = 2_000;

/** Waits until a client has left its brokers, but not for brokers that are away: they find out by themselves. */
export async function goodbye(leaving: Promise<unknown> | undefined, logger: Logger): Promise<void> {
  if (!leaving) return;
  await withDeadline(leaving, GOODBYE_MS, 'brokers were not left').catch((error: unknown) => {
    logger.debug({ err: error }, 'a Kafka client did not end in order');
  });
}
