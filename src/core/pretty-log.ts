import { styleText } from 'node:util';
import { plainText } from './plain-text.ts';

export interface PrettyOptions {
  hasColours: boolean;
  /** Whether the stacks of errors are shown. */
  isVerbose: boolean;
}

type Colour = 'dim' | 'green' | 'yellow' | 'red';

const LEVELS: Readonly<Record<number, readonly [name: string, colour: Colour]>> = {
  10: ['trace', 'dim'],
  20: ['debug', 'dim'],
  30: ['info', 'green'],
  40: ['warn', 'yellow'],
  50: ['error', 'red'],
  60: ['fatal', 'red'],
};

/** Returns a function that rewrites a line of JSON for people: `16:27:05 warn  message  key=value`. */
export function createPrettyLine({ hasColours, isVerbose }: PrettyOptions): (line: string) => string {
  const paint = (colour: Colour, text: string) =>
    hasColours ? styleText(colour, text, { validateStream: false }) : text;
  return (line) => {
    const { level, time, msg = '', err, stack, ...fields } = JSON.parse(line) as Record<string, unknown>;
    const [name, colour] = LEVELS[Number(level)] ?? [String(level), 'dim'];
    const parts = [paint('dim', timeOfDay(String(time))), paint(colour, name.padEnd(5)), plainText(String(msg))];
    if (err !== undefined) parts.push(paint(colour, plainText(messageOf(err))));
    const shown = Object.entries(fields).map(([key, value]) => plainText(`${key}=${show(value)}`));
    if (shown.length > 0) parts.push(paint('dim', shown.join(' ')));
    const trace = isVerbose ? stackOf(err ?? { stack }) : '';
    return `${parts.join(' ')}\n${trace}`;
  };
}

/** The local time of day. */
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
