/** A size in hexadecimal digits, then blanks or an extension, which says nothing (RFC 9112 7.1.1). */
const LINE = /^0*([0-9a-fA-F]{1,12})(?:[ \t;][\s\S]*)?$/;

/** The size that the line before a chunk tells; null when it is none. */
export function parseChunkSize(line: string): number | null {
  const digits = LINE.exec(line)?.[1];
  return digits === undefined ? null : Number.parseInt(digits, 16);
}
