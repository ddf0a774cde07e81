import type { Reason } from '../messages/check-result.ts';
import { installing, packageLackedBy } from './packages.ts';

/** The reason why a try ended without a usable response, from the closed set, and a short text for people. */
export class ProbeFailure extends Error {
  readonly reason: Reason;

  constructor(reason: Reason, message: string) {
    // Thrown for every failing site: a stack would cost more than the check itself.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(shorten(message));
    Error.stackTraceLimit = stackTraceLimit;
    this.name = 'ProbeFailure';
    this.reason = reason;
  }
}

/** Returns an error of the probe itself, which says nothing about the site. */
export function toDefect(error: unknown): ProbeFailure {
  if (error instanceof ProbeFailure) return error;
  const lacking = packageLackedBy(error);
  const text =
    lacking === null
      ? `the monitor failed: ${error instanceof Error ? error.message : error}`
      : `the package ${lacking} is not installed: ${installing([lacking])}, and start Vedette again`;
  const failure = new ProbeFailure('internal', text);
  failure.cause = error;
  return failure;
}

/** Progress of a request: name lookup, connecting, handshake, request sent, headers received. */
export type Phase = 'dns' | 'connect' | 'tls' | 'request' | 'response';

const DETAIL_LENGTH = 200;

/** Returns the failure for an error of a library or of the system. */
export function toFailure(error: unknown, phase: Phase): ProbeFailure {
  if (error instanceof ProbeFailure) return error;
  const { code = '', message = String(error) } = (error ?? {}) as { code?: unknown; message?: string };
  const name = String(code);
  if (OWN_FAULTS.has(name)) return new ProbeFailure('internal', describe(name, message));
  if (phase === 'dns') return new ProbeFailure('dns', `${name || 'failed'}: ${DNS_TEXTS[name] ?? message}`);
  if (phase === 'connect') return new ProbeFailure('connect', describe(name, message));
  if (phase === 'tls') return new ProbeFailure('tls', TLS_TEXTS[name] ?? describe(name, opensslText(message)));
  return requestFailure(name, message, phase);
}

/** Errors of this machine: out of files, ports or memory. */
const OWN_FAULTS = new Set(['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS', 'ENOMEM']);

const DNS_TEXTS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'there is no such name',
  ENODATA: 'the name has no address',
  ESERVFAIL: 'the name server failed',
  EREFUSED: 'the name server refused to answer',
  ETIMEOUT: 'the name server did not answer',
  ECONNREFUSED: 'no name server can be reached',
  EBADNAME: 'the name is malformed',
  EBADRESP: 'the name server gave a malformed answer',
};

const TLS_TEXTS: Readonly<Record<string, string>> = {
  ECONNRESET: 'ECONNRESET: connection closed during the TLS handshake',
};

function requestFailure(code: string, message: string, phase: 'request' | 'response'): ProbeFailure {
  if (code.startsWith('ERR_SSL_') || code === 'EPROTO')
    return new ProbeFailure('tls', describe(code, opensslText(message)));
  switch (code) {
    case 'UND_ERR_HEADERS_OVERFLOW':
    case 'HPE_HEADER_OVERFLOW':
      return new ProbeFailure('too_large', 'headers of the response are too large');
    case 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH':
      // Before the end of the headers undici reports any fault after a content-length header this way.
      return phase === 'response' ? CUT_OFF() : new ProbeFailure('protocol', 'headers of the response are malformed');
    case 'UND_ERR_SOCKET':
      // undici's error for an unsolicited response, such as an upgrade.
      if (message.startsWith('bad ')) return new ProbeFailure('protocol', `${message.slice(4)} that was not asked for`);
      return phase === 'response' ? CUT_OFF() : new ProbeFailure('connect', CLOSED);
    case 'ECONNRESET':
    case 'EPIPE':
    case 'ECONNABORTED':
    case 'ETIMEDOUT':
      if (phase === 'response') return new ProbeFailure('body', `${code}: connection broke in the middle of the body`);
      return new ProbeFailure('connect', `${code}: connection broke before a response`);
    default:
      return new ProbeFailure('protocol', describe(code, message));
  }
}

const CLOSED = 'connection closed without a response';
const CUT_OFF = () => new ProbeFailure('body', 'connection closed in the middle of the body');

function describe(code: string, message: string): string {
  return code === '' || message.includes(code) ? message : `${code}: ${message}`;
}

/** `00A1B2:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:ssl/...` -> `wrong version number` */
function opensslText(message: string): string {
  return /^[0-9A-F]*:error:[0-9A-F]+:[^:]*:[^:]*:([^:]+):/.exec(message)?.[1] ?? message;
}

/** Control characters, and those that change the direction or the line of what follows. */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu;

/** Returns one line that fits the result message. */
export function shorten(text: string): string {
  const line = text.replace(UNPRINTABLE, ' ').trim();
  return line.length > DETAIL_LENGTH ? `${line.slice(0, DETAIL_LENGTH - 1)}…` : line;
}
