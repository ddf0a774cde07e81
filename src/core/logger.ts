import { isatty } from 'node:tty';
import { destination, type Logger, pino, stdTimeFunctions } from 'pino';
import { plainJson } from './plain-text.ts';
import { createPrettyLine } from './pretty-log.ts';

export type { Logger };

/** `auto` is pretty on a terminal and json elsewhere. */
type LogFormat = 'auto' | 'pretty' | 'json';

export interface LoggerOptions {
  /** pino level name; `silent` turns logging off. */
  level: string;
  /** File descriptor the lines go to: 1 is stdout, 2 is stderr. */
  fd?: number;
  /** Default auto. */
  format?: LogFormat;
}

/** Logs lines of JSON with ISO times, or lines for people. Messages are constant; variable data is in bound fields. */
export function createLogger({ level, fd = 1, format = 'auto' }: LoggerOptions): Logger {
  const isPretty = format === 'pretty' || (format === 'auto' && isatty(fd));
  const clean = isPretty ? createPrettyLine({ hasColours: hasColours(fd), isVerbose: isVerbose(level) }) : plainJson;
  const sink = destination({ fd, sync: true });
  return pino(
    { level, base: null, timestamp: stdTimeFunctions.isoTime, redact: ['password', '*.password', 'authorization'] },
    { write: (line: string) => void sink.write(clean(line)) },
  );
}

export const silentLogger: Logger = pino({ level: 'silent' });

/** Streams know NO_COLOR, FORCE_COLOR and TERM=dumb. */
const hasColours = (fd: number): boolean =>
  isatty(fd) && (fd === 2 ? process.stderr : process.stdout).hasColors?.() === true;

/** At debug and below, the stacks of errors are shown too. */
const isVerbose = (level: string): boolean => level === 'debug' || level === 'trace';
