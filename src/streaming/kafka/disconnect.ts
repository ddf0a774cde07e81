import { withDeadline } from '../../core/deadline.ts';
import type { Logger } from '../../core/logger.ts';

const DISCONNECT_MS = 2_000;

/** Waits for a client's disconnect, but not for brokers that are away: they notice a lost client by themselves. */
export async function awaitDisconnect(leaving: Promise<unknown> | undefined, logger: Logger): Promise<void> {
  if (!leaving) return;
  await withDeadline(leaving, DISCONNECT_MS, 'brokers were not left').catch((error: unknown) => {
    logger.debug({ err: error }, 'a Kafka client did not end in order');
  });
}
