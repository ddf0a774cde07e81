import type { Timings } from '../../../messages/check-result.ts';
import type { ProbeFailure } from '../../failure.ts';
import type { Connection, ConnectTarget } from '../../net/dial.ts';
import type { TimeLimit } from '../../net/time-limit.ts';
import type { HeaderList } from '../parser/lines.ts';

/** What exchanges requests of one origin for responses, one at a time. */
export interface HttpTransport {
  readonly isBusy: boolean;
  /** Never rejects. Every connection is closed afterwards, unless it is kept for the next. */
  exchange(request: HttpRequest, limit: TimeLimit): Promise<HttpOutcome>;
  /** Closes a connection that is kept. */
  close(): void;
}

export interface HttpRequest {
  /** The whole address, without credentials. */
  href: string;
  origin: string;
  target: ConnectTarget;
  /** With the query. */
  path: string;
  method: string;
  /** Name, value, name, value, ... */
  headers: string[];
  body: string | null;
  /** Bytes of the body that are read at most; the connection is closed there. */
  maxBodyBytes: number;
  /** Whether the body is wanted, or only counted. */
  keepBody: boolean;
  /** Whether a redirect's body is not read: the connection is closed at its headers. */
  skipRedirectBody: boolean;
  /** Whether facts of the peer's certificate are wanted. */
  wantsCertificate: boolean;
}

export interface HttpResponse {
  status: number;
  headers: HeaderList;
  body: Buffer[];
  /** Bytes of the body as received, before decoding. */
  bytes: number;
  /** The body went on after maxBodyBytes. */
  isTruncated: boolean;
  timings: Timings;
  connection: Connection;
  isReused: boolean;
}

/** How an exchange failed. */
export interface ExchangeFailure {
  failure: ProbeFailure;
  timings: Timings;
  /** Of the response that had begun; null before. */
  status: number | null;
  bytes: number;
  /** A connection that was used before broke without a word: its site may have closed it just then. */
  isStale: boolean;
}

export type HttpOutcome = { response: HttpResponse; error: null } | { response: null; error: ExchangeFailure };

export function isRedirect(status: number): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}
