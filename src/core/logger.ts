import { destination, type Logger, pino, stdTimeFunctions } from 'pino';

export type { Logger };

export interface LoggerOptions {
  /** pino level name; `silent` turns logging off. */
  level: string;
  /** File descriptor the lines go to: 1 is stdout, 2 is stderr. */
  fd?: number;
}

/** JSON lines with ISO times. Messages are constant; what varies is in bound fields. */
export function createLogger({ level, fd = 1 }: LoggerOptions): Logger {
  return pino(
    { level, base: null, timestamp: stdTimeFunctions.isoTime, redact: ['password', '*.password', 'authorization'] },
    destination({ fd, sync: true }),
  );
}

export const silentLogger: Logger = pino({ level: 'silent' });
