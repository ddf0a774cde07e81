import { inspect, styleText } from 'node:util';
import { plainJson, plainLines, plainText } from '../core/plain-text.ts';
import { plural } from '../core/plural.ts';

/**
 * Where a command writes. Colours and progress are for terminals only, and not for those that ask for none (NO_COLOR).
 * What could steer a terminal is written as an escape, whoever it came from; only `data` reaches a pipe as it is.
 */
export interface Output {
  write(text: string): void;
  line(text?: string): void;
  /** A value as JSON; what could steer a terminal stands in it as `\u009b`. */
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

/** Exactly the sequences that `createStyle` writes. */
const OWN_COLOUR = new RegExp(`(\\x1b\\[(?:${COLOURS.flatMap((name) => inspect.colors[name] ?? []).join('|')})m)`);

const cleanBetweenColours = (text: string): string =>
  text
    .split(OWN_COLOUR)
    .map((part, index) => (index % 2 === 1 ? part : plainLines(part)))
    .join('');

export interface Column<Row> {
  title: string;
  value(row: Row): string;
  /** Numbers are easier to compare when they end at one place. */
  align?: 'right';
  style?(row: Row): ((text: string) => string) | undefined;
}

/** Rows under their titles, two spaces between columns, nothing cut off. */
export function formatTable<Row>(rows: readonly Row[], columns: readonly Column<Row>[], style: Style): string {
  const cells = rows.map((row) => columns.map((column) => plainText(column.value(row))));
  const widths = columns.map(({ title }, i) => Math.max(width(title), ...cells.map((row) => width(row[i]!))));
  const pad = (text: string, i: number) => {
    const fill = ' '.repeat(widths[i]! - width(text));
    if (columns[i]!.align === 'right') return fill + text;
    return i === columns.length - 1 ? text : text + fill;
  };
  const lines = cells.map((row, r) =>
    row.map((cell, i) => (columns[i]!.style?.(rows[r]!) ?? ((text: string) => text))(pad(cell, i))).join('  '),
  );
  return [style.bold(columns.map(({ title }, i) => pad(title, i)).join('  ')), ...lines].join('\n');
}

/** RFC 4180: a cell with a comma, a quote or a line break is quoted. */
export function formatCsv<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  const cell = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const lines = [columns.map(({ title }) => title), ...rows.map((row) => columns.map((column) => column.value(row)))];
  return lines.map((line) => line.map(cell).join(',')).join('\n');
}

/** 0.0123 s -> `12.3 ms` */
export function formatSeconds(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return '-';
  const ms = seconds * 1000;
  if (ms >= 10_000) return `${seconds.toFixed(1)} s`;
  return `${ms >= 100 ? ms.toFixed(0) : ms >= 10 ? ms.toFixed(1) : ms.toFixed(2)} ms`;
}

export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ' ');
}

/** `1 result`, `12 000 results`. */
export const formatCounted = (count: number, word: string, many?: string): string =>
  `${formatCount(count)} ${plural(count, word, many)}`;

// Wide characters (CJK, emoji) take two columns; the common ranges suffice for job names.
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}]/gu;

function width(text: string): number {
  return [...text].length + (text.match(WIDE)?.length ?? 0);
}
