import { plainText } from '../../core/plain-text.ts';
import type { Style } from './output.ts';

export interface Column<Row> {
  title: string;
  value(row: Row): string;
  /** Numbers are easier to compare when they end at one place. */
  align?: 'right';
  style?(row: Row): ((text: string) => string) | undefined;
}

/** Rows under their titles, two spaces between columns, nothing cut off. */
export function formatTable<Row>(rows: readonly Row[], columns: readonly Column<Row>[], style: Style): string {
  const lines = ['', ...rows.map(() => '')];
  for (const [index, column] of columns.entries()) {
    const cells = [column.title, ...rows.map((row) => plainText(column.value(row)))];
    const columnWidth = Math.max(...cells.map(width));
    const isLast = index === columns.length - 1;
    for (const [line, text] of cells.entries()) {
      const fill = ' '.repeat(columnWidth - width(text));
      const cell = column.align === 'right' ? fill + text : isLast ? text : text + fill;
      const row = rows[line - 1];
      const paint = row === undefined ? style.bold : column.style?.(row);
      lines[line] += `${index === 0 ? '' : '  '}${paint ? paint(cell) : cell}`;
    }
  }
  return lines.join('\n');
}

/** RFC 4180: a cell with a comma, a quote or a line break is quoted. */
export function formatCsv<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  const cell = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const lines = [columns.map(({ title }) => title), ...rows.map((row) => columns.map((column) => column.value(row)))];
  return lines.map((line) => line.map(cell).join(',')).join('\n');
}

// Wide characters (CJK, emoji) take two columns; the common ranges suffice for job names.
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}]/gu;

function width(text: string): number {
  return [...text].length + (text.match(WIDE)?.length ?? 0);
}
