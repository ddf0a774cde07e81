/** A size in hexadecimal digits, then blanks or an extension, which is ignored (RFC 9112 7.1.1). */
const LINE = /^0*([0-9a-fA-F]{1,12})(?:[ \t;][\s\S]*)?$/;

/** Returns the size of a chunk from the line before it; null if the line is malformed. */
export function parseChunkSize(line: string): number | null {
  const digits = LINE.exec(line)?.[1];
  return digits === undefined ? null : Number.parseInt(digits, 16);
}
