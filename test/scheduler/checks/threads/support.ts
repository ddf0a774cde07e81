import { systemClock } from '../../../../src/core/clock.ts';
import { type Logger, silentLogger } from '../../../../src/core/logger.ts';
import { createPrepare, type ProbedJob } from '../../../../src/jobs/prepare.ts';
import { monitors } from '../../../../src/monitors/index.ts';
import type { Probe, ProbeRequest, ProbeResult } from '../../../../src/monitors/monitor.ts';
import { Stop } from '../../../../src/scheduler/checks/stop.ts';
import { CheckThreads, type CheckThreadsOptions } from '../../../../src/scheduler/checks/threads/check-threads.ts';
import { context } from '../../../monitors/support.ts';

export const NO_PLACES = { folder: null, file: null, envPrefix: 'VEDETTE_SECRET_', variables: {} };

/** Prepares on the thread of the test. */
export const prepareHere = createPrepare(monitors, context);

/** Started threads, which end with the test. */
export async function startThreads(
  t: { teardown(release: () => unknown): void },
  options: Partial<CheckThreadsOptions> = {},
): Promise<CheckThreads> {
  const threads = new CheckThreads({
    count: 1,
    clock: systemClock,
    logger: silentLogger,
    prepare: prepareHere,
    monitors: { gate: 'off', allow: [], userAgent: context.userAgent, secrets: NO_PLACES },
    isPublic: () => false,
    findSelf: async () => 'nobody has asked for it',
    ...options,
  });
  t.teardown(() => threads.close());
  await threads.start();
  return threads;
}

export function jobOf(options: object, jobId = 1): ProbedJob {
  return { jobId, type: 'http', options: { ...options }, secrets: [] };
}

/** One check, as a scheduler asks for it. */
export function ask(probe: Probe, more: Partial<ProbeRequest> = {}): Promise<ProbeResult> {
  return probe({ timeoutMs: 2_000, graceMs: 2_000, slotTag: '1/0', signal: new Stop(), ...more });
}

export function recordingLogger() {
  const lines: Array<{ level: string; text: string }> = [];
  const at = (level: string) => (_details: unknown, text: string) => void lines.push({ level, text });
  const logger = { ...silentLogger, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  return { lines, logger: logger as unknown as Logger };
}
