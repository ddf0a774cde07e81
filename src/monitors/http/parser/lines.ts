import { type Fault, protocolFault } from './fault.ts';

/** Name (lower case), value, name, value, ...; characters are bytes (Latin-1). */
export type HeaderList = readonly string[];

export interface StatusLine {
  status: number;
  /** Minor version of HTTP/1. */
  minorVersion: number;
}

export const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const STATUS_LINE = /^HTTP\/1\.(\d)[ \t]+([1-9]\d\d)(?:[ \t\r][\s\S]*)?$/i;
const VERSION = /^HTTP\/(\d+(?:\.\d+)?)(?:[ \t]|$)/i;

/** Accepts HTTP/1 of any minor version (RFC 9110 2.5), several blanks, and a missing reason phrase. */
export function parseStatusLine(line: string): StatusLine | Fault {
  const [, minor, status] = STATUS_LINE.exec(line) ?? [];
  if (status !== undefined) return { status: Number(status), minorVersion: Number(minor) };
  const version = VERSION.exec(line)?.[1];
  if (version === undefined) return protocolFault('Invalid HTTP version');
  if (!version.startsWith('1.')) return protocolFault(`HTTP version ${version} is not the one asked for`);
  return protocolFault('Invalid status code');
}

/** Appends a header line, or a folded line to the last header (RFC 9112 5.2). */
export function parseHeaderLine(line: string, headers: string[]): Fault | Record<never, never> {
  if (line.includes('\0')) return protocolFault('Invalid header value char');
  const first = line.charCodeAt(0);
  if (isBlank(first)) {
    if (headers.length === 0) return protocolFault('Invalid header token');
    const more = fieldValue(line, 0);
    const value = headers[headers.length - 1] ?? '';
    if (more !== '') headers[headers.length - 1] = value === '' ? more : `${value} ${more}`;
    return TAKEN;
  }
  const colon = line.indexOf(':');
  const name = colon < 0 ? '' : trimBlanks(line, 0, colon);
  if (!TOKEN.test(name)) return protocolFault('Invalid header token');
  headers.push(name.toLowerCase(), fieldValue(line, colon + 1));
  return TAKEN;
}

/** Returns a field value without surrounding blanks; a bare CR is a blank (RFC 9112 2.2). */
function fieldValue(line: string, from: number): string {
  return trimBlanks(line.includes('\r') ? line.replaceAll('\r', ' ') : line, from, line.length);
}

/** Not `trim`, which removes the byte A0: it may be the end of a character. */
function trimBlanks(text: string, from: number, to: number): string {
  let start = from;
  let end = to;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

const isBlank = (code: number) => code === SPACE || code === TAB;
const SPACE = 32;
const TAB = 9;
const TAKEN = Object.freeze({});
