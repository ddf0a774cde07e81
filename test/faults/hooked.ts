// Vedette as `serve` runs it, but for a hook in its flushes: at the step named in the file STEP_FILE, which it removes, it
// sends itself the signal named there.
// usage: STEP_FILE=file node --import=tsx hooked.ts   (settings from the environment)
import { readFileSync, rmSync } from 'node:fs';
import { createApp } from '../../src/app.ts';
import { createLogger } from '../../src/core/logger.ts';
import { resolveSettings } from '../../src/settings.ts';

const stepFile = process.env.STEP_FILE as string;

function readOrder(): string[] {
  try {
    return readFileSync(stepFile, 'utf8').split(' ');
  } catch {
    return []; // There is none now.
  }
}

const { STEP_FILE: _, ...env } = process.env;
const app = createApp(resolveSettings({ env }).settings, {
  logger: createLogger({ level: 'info', fd: 1 }),
  version: 'hooked',
  hooks: {
    at(step) {
      const [wanted, signal] = readOrder();
      if (wanted !== step) return;
      rmSync(stepFile);
      process.kill(process.pid, signal);
    },
  },
});
process.once('SIGTERM', () => void app.close().then(() => process.exit(0)));
await app.start();
