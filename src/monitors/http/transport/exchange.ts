import type { Timings } from '../../../messages/check-result.ts';
import type { ProbeFailure } from '../../failure.ts';
import type { Connection, ConnectTarget } from '../../net/dial.ts';
import type { TimeLimit } from '../../net/time-limit.ts';
import type { HeaderList } from '../parser/lines.ts';
import type { JobProxy } from '../proxy/proxy.ts';

/** Exchanges requests of one origin for responses, one at a time. */
export interface HttpTransport {
  readonly isBusy: boolean;
  /** Never rejects. The connection is closed afterwards, unless it is kept for the next exchange. */
  exchange(request: HttpRequest, limit: TimeLimit): Promise<HttpOutcome>;
  /** Closes a kept connection. */
  close(): void;
}

export interface HttpRequest {
  /** The whole address, without credentials. */
  href: string;
  origin: string;
  target: ConnectTarget;
  /** null: the site is connected to directly. */
  proxy: JobProxy | null;
  /** With the query. */
  path: string;
  method: string;
  /** Name, value, name, value, ...; without the slot's. */
  headers: readonly string[];
  /** The parts above as serializeHead writes them; null: not written yet. */
  head: string | null;
  /** The slot of the check; null: it has none. */
  slotTag: string | null;
  body: string | Buffer | null;
  /** Limit of the body in bytes; the connection is closed there. */
  maxBodyBytes: number;
  /** Whether the body is collected, or only counted. */
  keepBody: boolean;
  /** Whether a redirect's body is not read: the connection is closed at its headers. */
  skipRedirectBody: boolean;
  /** Whether facts of the peer's certificate are wanted. */
  wantsCertificate: boolean;
}

export interface HttpResponse {
  status: number;
  headers: HeaderList;
  /** Fields after the body; only those of HTTP/2 are read. */
  trailers: HeaderList;
  body: Buffer[];
  /** Bytes of the body as received, before decoding. */
  bytes: number;
  /** Whether the body was longer than maxBodyBytes. */
  isTruncated: boolean;
  timings: Timings;
  /** How long the site took, in ms; delays of our own between the phases are left out. */
  tookMs: number;
  connection: Connection;
  isReused: boolean;
}

/** The failure of an exchange. */
export interface ExchangeFailure {
  failure: ProbeFailure;
  timings: Timings;
  /** Status of a response that had begun; null before. */
  status: number | null;
  bytes: number;
  /** Whether a reused connection broke without a response: the site may have closed it at that moment. */
  isStale: boolean;
}

export type HttpOutcome = { response: HttpResponse; error: null } | { response: null; error: ExchangeFailure };

/** The outcome of an exchange that failed before a response. */
export function failed(failure: ProbeFailure, timings: Timings = {}): HttpOutcome {
  return { response: null, error: { failure, timings, status: null, bytes: 0, isStale: false } };
}

export function isRedirect(status: number): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}
