/** Where a line of a record lies in its value, without its line end. */
export interface LinePosition {
  /** From 0. */
  line: number;
  start: number;
  end: number;
}

const NEWLINE = 0x0a;
const SPACE = 0x20;

export function splitLines(value: Buffer): LinePosition[] {
  const lines: LinePosition[] = [];
  for (let start = 0; start < value.length; ) {
    const newline = value.indexOf(NEWLINE, start);
    const end = newline < 0 ? value.length : newline;
    lines.push({ line: lines.length, start, end });
    start = end + 1;
  }
  return lines;
}

/** The value with all other lines blanked, so that the given ones keep their numbers. */
export function only(value: Buffer, lines: readonly LinePosition[]): Buffer {
  const copy = Buffer.alloc(value.length, SPACE);
  for (let at = value.indexOf(NEWLINE); at >= 0; at = value.indexOf(NEWLINE, at + 1)) copy[at] = NEWLINE;
  for (const { start, end } of lines) value.copy(copy, start, start, end);
  return copy;
}

/** The numbers of lines, by `topic partition offset` of their record. */
export function groupLines(
  lines: ReadonlyArray<{ topic: string; partition: number; offset: number; line: number }>,
): Map<string, Set<number>> {
  const grouped = new Map<string, Set<number>>();
  for (const { topic, partition, offset, line } of lines) {
    const key = `${topic} ${partition} ${offset}`;
    grouped.set(key, (grouped.get(key) ?? new Set()).add(line));
  }
  return grouped;
}
