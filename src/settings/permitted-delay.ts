import type { Settings } from '../settings.ts';

/** Time that an acknowledgement of the stream, and a busy machine, may take on top of what the settings allow. */
export const MARGIN_MS = 15_000;

/** How long after its slot a check may begin, also after a takeover, and its result be published and counted. */
export function permittedDelayMs({ scheduler, publisher, processor }: Settings): number {
  return scheduler.lateLimitMs + scheduler.leaseMs + publisher.lingerMs + processor.flushIntervalMs + MARGIN_MS;
}
