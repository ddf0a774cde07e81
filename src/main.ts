import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import closeWithGrace from 'close-with-grace';
import { createApp, type StartInfo } from './app.ts';
import { exitByForce } from './core/exit.ts';
import { growHeapSparingly } from './core/heap.ts';
import { createLogger, type Logger } from './core/logger.ts';
import type { Settings } from './settings.ts';

const GRACE_MS = 10_000;
/** For a start under way when the process is to end: it may be waiting for servers. */
const START_GRACE_MS = 3_000;

export interface MainOptions {
  settings: Settings;
  version: string;
  /** Aborts when the process is to end: at the first Ctrl-C or SIGTERM. */
  signal: AbortSignal;
  /** Whether a person watches: then logs hold only what they must know, and `announce` shows the rest. */
  isTerminal: boolean;
  /** Called once everything runs. */
  announce(info: StartInfo, logger: Logger): Promise<void>;
}

/**
 * The life of one Vedette process: starts, runs until `signal` aborts or something breaks, and ends in order within 10
 * seconds. Rejects when it cannot start; otherwise the process ends here, with 0 when it was asked to and all went well.
 */
export async function main({ settings, version, signal, isTerminal, announce }: MainOptions): Promise<void> {
  const level = settings.logging.level === 'auto' ? (isTerminal ? 'warn' : 'info') : settings.logging.level;
  const logger = createLogger({ level, fd: isTerminal ? 2 : 1, format: settings.logging.format });
  if (settings.roles.includes('scheduler')) growHeapSparingly();
  const app = createApp(settings, { logger, version, signal });
  const grace = closeWithGrace(
    {
      delay: GRACE_MS,
      logger: false,
      // The caller listens to these; npm passes some of them on twice.
      skip: ['SIGINT', 'SIGTERM', 'SIGHUP'],
      onTimeout: () => {
        logger.fatal({ graceMs: GRACE_MS }, 'ending took too long, ended by force');
        exitByForce();
      },
      onSecondError: (error) => logger.fatal({ err: error }, 'a second error while ending'),
    },
    async ({ err, signal: name }) => {
      if (err) logger.fatal({ err }, 'uncaught error, ending');
      else logger.info({ signal: name }, 'ending');
      await app.close().catch((error: unknown) => {
        logger.error({ err: error }, 'could not end in order');
        throw error;
      });
      logger.info('ended');
    },
  );
  const ended = new Promise<never>(() => {}); // grace.close() ends the process, which nobody can wait for.
  const end = () => {
    grace.close();
    return ended;
  };
  const asked = signal.aborted ? Promise.resolve() : once(signal, 'abort');
  try {
    const info = await Promise.race([app.start(), asked.then(() => delay(START_GRACE_MS, null))]);
    if (info === null) exitByForce();
    if (info === null || signal.aborted) return end();
    await announce(info, logger);
  } catch (error) {
    // A start that is torn down fails, as it should.
    if (signal.aborted) return end();
    grace.uninstall();
    throw error;
  }
  await asked;
  return end();
}
