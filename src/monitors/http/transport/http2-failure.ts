import { constants } from 'node:http2';
import { ProbeFailure, toFailure } from '../../failure.ts';

/** Returns the failure for an error of node:http2, by a stream, a session or its socket. */
export function http2Failure(error: Error & { code?: string }, phase: 'request' | 'response'): ProbeFailure {
  const { code = '', message } = error;
  if (!code.startsWith('ERR_HTTP2_')) return toFailure(error, phase);
  const what = nameIn(message) ?? message;
  return phase === 'response'
    ? new ProbeFailure('body', `the body ended with an error of HTTP/2: ${what}`)
    : new ProbeFailure('protocol', `the request ended with an error of HTTP/2: ${what}`);
}

/** Returns the failure for a stream that was closed before its end, with a code. */
export function cutOff(code: number, hasHead: boolean): ProbeFailure {
  if (!hasHead) return new ProbeFailure('connect', 'connection closed without a response');
  const text = 'connection closed in the middle of the body';
  return new ProbeFailure('body', code === constants.NGHTTP2_NO_ERROR ? text : `${text}: ${NAMES.get(code) ?? code}`);
}

function nameIn(message: string): string | undefined {
  const [, name, code] = /error code (?:NGHTTP2_(\w+)|(\d+))/.exec(message) ?? [];
  return name ?? (code === undefined ? undefined : (NAMES.get(Number(code)) ?? `code ${code}`));
}

/** Codes of RFC 9113 7. */
const NAMES = new Map(
  [
    ...['NO_ERROR', 'PROTOCOL_ERROR', 'INTERNAL_ERROR', 'FLOW_CONTROL_ERROR', 'SETTINGS_TIMEOUT', 'STREAM_CLOSED'],
    ...['FRAME_SIZE_ERROR', 'REFUSED_STREAM', 'CANCEL', 'COMPRESSION_ERROR', 'CONNECT_ERROR', 'ENHANCE_YOUR_CALM'],
    ...['INADEQUATE_SECURITY', 'HTTP_1_1_REQUIRED'],
  ].map((name, code) => [code, name]),
);
