import { plainText } from './plain-text.ts';

export interface PrettyOptions {
  hasColours: boolean;
  /** Whether the stacks of errors are shown. */
  isVerbose: boolean;
}

const LEVELS: Readonly<Record<number, readonly [name: string, colour: number]>> = {
  10: ['trace', 2],
  20: ['debug', 2],
  30: ['info', 32],
  40: ['warn', 33],
  50: ['error', 31],
  60: ['fatal', 31],
};

/** Makes of a line of JSON one for people: `16:27:05 warn  message  key=value`. */
export function createPrettyLine({ hasColours, isVerbose }: PrettyOptions): (line: string) => string {
  const paint = (code: number, text: string) => (hasColours ? `\x1b[${code}m${text}\x1b[0m` : text);
  return (line) => {
    const { level, time, msg = '', err, stack, ...fields } = JSON.parse(line) as Record<string, unknown>;
    const [name, colour] = LEVELS[Number(level)] ?? [String(level), 2];
    const parts = [paint(2, timeOfDay(String(time))), paint(colour, name.padEnd(5)), plainText(String(msg))];
    if (err !== undefined) parts.push(paint(colour, plainText(messageOf(err))));
    const shown = Object.entries(fields).map(([key, value]) => plainText(`${key}=${show(value)}`));
    if (shown.length > 0) parts.push(paint(2, shown.join(' ')));
    const trace = isVerbose ? stackOf(err ?? { stack }) : '';
    return `${parts.join(' ')}\n${trace}`;
  };
}

/** As the clock on the wall has it, for whoever sits before the terminal. */
function timeOfDay(iso: string): string {
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? iso : date.toTimeString().slice(0, 8);
}

const show = (value: unknown): string =>
  typeof value === 'string' && !/[\s"=]/.test(value) && value !== '' ? value : JSON.stringify(value);

function messageOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return String(error);
  const { message, code } = error as { message?: unknown; code?: unknown };
  const text = String(message ?? JSON.stringify(error));
  return code === undefined || text.includes(String(code)) ? text : `${text} [${code}]`;
}

function stackOf(error: unknown): string {
  const { stack } = (error ?? {}) as { stack?: unknown };
  if (typeof stack !== 'string') return '';
  return stack
    .split('\n')
    .slice(1)
    .map((line) => `${plainText(line)}\n`)
    .join('');
}
