import { type Fault, protocolFault } from './fault.ts';
import { headerValues, listItems } from './headers.ts';
import type { HeaderList, StatusLine } from './lines.ts';

/** The end of a body (RFC 9112 6.3). */
export interface Framing {
  kind: 'none' | 'length' | 'chunked' | 'close';
  length: number;
  /** Whether the connection may be used again after it. */
  isReusable: boolean;
}

/**
 * Chunked coding takes precedence over a length, and the connection is not reused. Different lengths are refused, as
 * RFC 9112 demands; with a length beyond the safe integers the body ends with the connection.
 */
export function framingOf(
  { status, minorVersion }: StatusLine,
  headers: HeaderList,
  isHeadRequest: boolean,
): Framing | Fault {
  const isKept = staysOpen(minorVersion, headers);
  if (isHeadRequest || status === 204 || status === 304) return { kind: 'none', length: 0, isReusable: isKept };
  const lengths = distinct(listItems(headers, 'content-length'));
  const codings = distinct(listItems(headers, 'transfer-encoding').map((coding) => coding.toLowerCase()));
  if (codings.length > 0) {
    const chunkedAt = codings.indexOf('chunked');
    if (chunkedAt >= 0 && chunkedAt < codings.length - 1)
      return protocolFault('chunked is not the last transfer coding');
    if (chunkedAt >= 0) return { kind: 'chunked', length: 0, isReusable: isKept && lengths.length === 0 };
    if (codings.some((coding) => coding !== 'identity')) return UNTIL_CLOSE;
  }
  if (lengths.length === 0) return UNTIL_CLOSE;
  if (lengths.length > 1)
    return protocolFault('headers of the response are malformed: different values of content-length');
  const [text = ''] = lengths;
  if (!/^\d+$/.test(text)) return protocolFault('headers of the response are malformed: content-length is no number');
  const length = Number(text);
  return Number.isSafeInteger(length) ? { kind: 'length', length, isReusable: isKept } : UNTIL_CLOSE;
}

const distinct = (items: readonly string[]) => (items.length > 1 ? [...new Set(items)] : items);

function staysOpen(minorVersion: number, headers: HeaderList): boolean {
  const values = headerValues(headers, 'connection');
  if (values.length === 0) return minorVersion >= 1;
  if (values.length === 1 && values[0] === 'close') return false;
  const words = listItems(headers, 'connection').map((word) => word.toLowerCase());
  if (words.includes('close')) return false;
  return minorVersion >= 1 || words.includes('keep-alive');
}

const UNTIL_CLOSE: Framing = Object.freeze({ kind: 'close', length: 0, isReusable: false });
