import { inspect, styleText } from 'node:util';
import { plainJson, plainLines, plainText } from '../../core/plain-text.ts';

/**
 * Where a command writes. Colours and progress are for terminals only, and not for those that ask for none (NO_COLOR).
 * Characters that could steer a terminal are written as escapes; only `data` reaches a pipe as it is.
 */
export interface Output {
  write(text: string): void;
  line(text?: string): void;
  /** A value as JSON; characters that could steer a terminal stand in it as `\u009b`. */
  json(value: unknown): void;
  /** A text in a form that programs read again, without the line break that `line` adds. */
  data(text: string): void;
  /** A line that the next one replaces, for terminals only; an empty one clears it. */
  progress(text: string): void;
  readonly isTerminal: boolean;
  readonly style: Style;
}

const COLOURS = ['bold', 'dim', 'red', 'green', 'yellow', 'cyan'] as const;
type Colour = (typeof COLOURS)[number];
export type Style = Readonly<Record<Colour, (text: string) => string>>;

export function createStyle(hasColours: boolean): Style {
  const entries = COLOURS.map((name) => [
    name,
    (text: string) => (hasColours ? styleText(name, text, { validateStream: false }) : text),
  ]);
  return Object.fromEntries(entries);
}

export type OutputStream = Pick<NodeJS.WriteStream, 'write'> & Partial<Pick<NodeJS.WriteStream, 'isTTY' | 'hasColors'>>;

export function createOutput(stream: OutputStream): Output {
  const isTerminal = stream.isTTY === true;
  // hasColors knows NO_COLOR, TERM=dumb and FORCE_COLOR.
  const hasColours = isTerminal && stream.hasColors?.() === true;
  const clean = (text: string) => (hasColours ? cleanBetweenColours(text) : plainLines(text));
  return {
    write: (text) => void stream.write(clean(text)),
    line: (text = '') => void stream.write(`${clean(text)}\n`),
    json: (value) => void stream.write(`${plainJson(JSON.stringify(value, null, 2))}\n`),
    data: (text) => void stream.write(isTerminal ? clean(text) : text),
    progress: (text) => void (isTerminal && stream.write(`\r\x1b[K${plainText(text)}`)),
    isTerminal,
    style: createStyle(hasColours),
  };
}

/** Exactly what `createStyle` writes. */
const OWN_COLOUR = new RegExp(`(\\x1b\\[(?:${COLOURS.flatMap((name) => inspect.colors[name] ?? []).join('|')})m)`);

const cleanBetweenColours = (text: string): string =>
  text
    .split(OWN_COLOUR)
    .map((part, index) => (index % 2 === 1 ? part : plainLines(part)))
    .join('');
