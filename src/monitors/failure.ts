import type { Reason } from '../messages/check-result.ts';

/** Why a try ended without a usable response: a reason of the closed set, and a short text for people. */
export class ProbeFailure extends Error {
  readonly reason: Reason;

  constructor(reason: Reason, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'ProbeFailure';
    this.reason = reason;
  }
}

export type Phase = 'dns' | 'connect' | 'tls' | 'request';

const DETAIL_LENGTH = 200;

/** Error codes of what went wrong, whatever the phase. */
const REASON_OF_CODE: Readonly<Record<string, Reason>> = {
  ENOTFOUND: 'dns',
  ENODATA: 'dns',
  ESERVFAIL: 'dns',
  EAI_AGAIN: 'dns',
  ETIMEOUT: 'dns',
  EREFUSED: 'dns',
  EBADNAME: 'dns',
  UND_ERR_HEADERS_OVERFLOW: 'too_large',
  HPE_HEADER_OVERFLOW: 'too_large',
};

const REASON_OF_PHASE: Readonly<Record<Phase, Reason>> = {
  dns: 'dns',
  connect: 'connect',
  tls: 'tls',
  request: 'protocol',
};

const CONNECTION_CODES = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED', 'UND_ERR_SOCKET', 'UND_ERR_DESTROYED']);

/** The failure that an error of a library or of the system stands for. */
export function toFailure(error: unknown, phase: Phase): ProbeFailure {
  if (error instanceof ProbeFailure) return error;
  const { code = '', message = String(error) } = (error ?? {}) as { code?: string; message?: string };
  const isConnection = phase === 'request' && CONNECTION_CODES.has(code);
  const reason = REASON_OF_CODE[code] ?? (isConnection ? 'connect' : REASON_OF_PHASE[phase]);
  return new ProbeFailure(reason, shorten(describe(code, message)), { cause: error });
}

function describe(code: string, message: string): string {
  return code === '' || message.includes(code) ? message : `${code}: ${message}`;
}

/** One line that the result message takes. */
export function shorten(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is removed.
  const line = text.replace(/[\u0000-\u001f\u007f]+/g, ' ').trim();
  return line.length > DETAIL_LENGTH ? `${line.slice(0, DETAIL_LENGTH - 1)}…` : line;
}
