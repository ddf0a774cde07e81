import { Client, type Dispatcher } from 'undici';
import type { Timings } from '../messages/check-result.ts';
import { afterHandshake, type ConnectCallback, type Connection, type ConnectTarget, Dial, seconds } from './connect.ts';
import { ProbeFailure, toFailure } from './failure.ts';
import type { ConnectionGate, NameResolver } from './monitor.ts';
import type { TimeLimit } from './time-limit.ts';
import { total } from './total.ts';

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
  /** As received: name, value, name, value, ... */
  rawHeaders: readonly Buffer[];
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
export interface HttpError {
  failure: ProbeFailure;
  timings: Timings;
  /** Of the response that had begun; null before. */
  status: number | null;
  bytes: number;
  /** A connection that was used before broke without a word: its site may have closed it just then. */
  isStale: boolean;
}

export type HttpOutcome = { response: HttpResponse; error: null } | { response: null; error: HttpError };

const MAX_HEADER_BYTES = 64 * 1024;
const MAX_INTERIM_RESPONSES = 20;
const KEEP_ALIVE_MS = 60_000;
const KEEP_ALIVE_MAX_MS = 300_000;

/** One undici client: for one exchange, or with a connection that is kept for the next. */
export class HttpLane {
  readonly origin: string;
  readonly #names: NameResolver;
  readonly #gate: ConnectionGate;
  readonly #client: Client;
  readonly #isKept: boolean;
  /** The one under way. */
  #exchange: Exchange | null = null;
  #connection: Connection | null = null;

  constructor(origin: string, names: NameResolver, gate: ConnectionGate, isKept: boolean) {
    this.origin = origin;
    this.#names = names;
    this.#gate = gate;
    this.#isKept = isKept;
    this.#client = new Client(origin, {
      pipelining: 1,
      // The check has its own limit of time.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: MAX_HEADER_BYTES,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MAX_MS,
      connect: (_options, callback) => {
        const exchange = this.#exchange;
        if (exchange === null) {
          callback(new ProbeFailure('internal', 'nobody asked for a connection'), null);
          return;
        }
        exchange.dial(this.#names, this.#gate, (failure, connection) => {
          this.#connection = connection;
          if (failure) callback(failure, null);
          else callback(null, connection!.socket);
        });
      },
    });
  }

  get isBusy(): boolean {
    return this.#exchange !== null;
  }

  /** Never rejects. Every connection is closed afterwards, unless it is kept. */
  async exchange(request: HttpRequest, limit: TimeLimit): Promise<HttpOutcome> {
    const kept = this.#connection;
    const exchange = new Exchange(request, this.#isKept, () => this.#connection, kept);
    this.#exchange = exchange;
    const { path, method, headers, body } = request;
    const outcome = await new Promise<HttpOutcome>((resolve) => {
      exchange.begin(resolve);
      limit.guard((failure) => exchange.stop(failure));
      if (exchange.isDone) return;
      try {
        this.#client.dispatch(
          { path, method: method as Dispatcher.HttpMethod, headers, body, reset: !this.#isKept },
          exchange,
        );
      } catch (error) {
        exchange.stop(toFailure(error, 'request'));
      }
    });
    limit.guard(null);
    this.#exchange = null;
    return outcome;
  }

  /** Closes a connection that is kept. */
  close(): void {
    this.#client.destroy().catch(() => {
      // Whatever it says, it is closed.
    });
  }
}

/** One request and its response, as undici's handler: the low-level form, which leaves headers unparsed. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #request: HttpRequest;
  readonly #isKept: boolean;
  readonly #connectionNow: () => Connection | null;
  readonly #keptBefore: Connection | null;
  readonly #body: Buffer[] = [];
  #resolve: (outcome: HttpOutcome) => void = () => {};
  #dial: Dial | null = null;
  #abort: ((error?: Error) => void) | null = null;
  #connection: Connection | null = null;
  #timings: Timings = {};
  #sentAt = 0;
  #headersAt = 0;
  #status: number | null = null;
  #rawHeaders: readonly Buffer[] = [];
  #interim = 0;
  #bytes = 0;
  isDone = false;

  constructor(
    request: HttpRequest,
    isKept: boolean,
    connectionNow: () => Connection | null,
    keptBefore: Connection | null,
  ) {
    this.#request = request;
    this.#isKept = isKept;
    this.#connectionNow = connectionNow;
    this.#keptBefore = keptBefore;
  }

  begin(resolve: (outcome: HttpOutcome) => void): void {
    this.#resolve = resolve;
  }

  dial(names: NameResolver, gate: ConnectionGate, callback: ConnectCallback): void {
    const guarded = total(callback, (failure) => this.stop(failure));
    this.#dial = new Dial(this.#request.target, this.#request.wantsCertificate, { names, gate }, guarded);
  }

  /** Ends it now; nothing of it stays open. */
  stop(failure: ProbeFailure): void {
    if (this.isDone) return;
    this.#fail(failure);
    if (this.#abort) this.#abort(failure);
    else this.#dial?.stop(failure);
  }

  onConnect(abort: (error?: Error) => void): void {
    if (this.isDone) {
      abort();
      return;
    }
    this.#abort = abort;
    this.#connection = this.#connectionNow();
    if (this.#connection !== this.#keptBefore) Object.assign(this.#timings, this.#connection?.timings);
    this.#sentAt = performance.now();
  }

  onHeaders(status: number, rawHeaders: Buffer[]): boolean {
    if (status < 200) {
      this.#interim++;
      if (this.#interim > MAX_INTERIM_RESPONSES) this.stop(new ProbeFailure('protocol', 'too many interim responses'));
      return true;
    }
    this.#headersAt = performance.now();
    this.#timings.ttfb = seconds(this.#sentAt);
    this.#status = status;
    this.#rawHeaders = rawHeaders;
    if (this.#request.skipRedirectBody && isRedirect(status) && headerOf(rawHeaders, 'location') !== undefined) {
      this.#succeed(false);
      this.#abort?.();
    }
    return true;
  }

  onData(chunk: Buffer): boolean {
    if (this.isDone) return true;
    const { maxBodyBytes, keepBody } = this.#request;
    const room = maxBodyBytes - this.#bytes;
    const part = chunk.length > room ? chunk.subarray(0, room) : chunk;
    this.#bytes += part.length;
    if (keepBody && part.length > 0) this.#body.push(part);
    if (chunk.length > room) {
      this.#succeed(true);
      this.#abort?.();
    }
    return true;
  }

  onComplete(): void {
    this.#succeed(false);
    // undici would destroy it with an error, whose stack costs a tenth of the check.
    if (!this.#isKept) this.#connection?.socket.destroy();
  }

  onError(error: Error): void {
    if (!this.isDone) this.#fail(this.#toFailure(error));
  }

  #toFailure(error: Error): ProbeFailure {
    if (this.#abort === null) return toFailure(error, this.#dial?.phase ?? 'connect');
    const failure = toFailure(error, this.#status === null ? 'request' : 'response');
    return this.#connection === null ? failure : afterHandshake(failure, this.#connection);
  }

  #succeed(isTruncated: boolean): void {
    if (this.isDone) return;
    this.isDone = true;
    this.#timings.transfer = seconds(this.#headersAt);
    const response: HttpResponse = {
      status: this.#status!,
      rawHeaders: this.#rawHeaders,
      body: this.#body,
      bytes: this.#bytes,
      isTruncated,
      timings: this.#timings,
      connection: this.#connection!,
      isReused: this.#connection === this.#keptBefore,
    };
    this.#resolve({ response, error: null });
  }

  #fail(failure: ProbeFailure): void {
    this.isDone = true;
    const isReused = this.#connection !== null && this.#connection === this.#keptBefore;
    const isStale = isReused && this.#status === null && failure.reason === 'connect';
    const timings = { ...this.#dial?.timings, ...this.#timings };
    const error = { failure, timings, status: this.#status, bytes: this.#bytes, isStale };
    this.#resolve({ response: null, error });
  }
}

export function isRedirect(status: number): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}

/** The value of a header (lower case), several of them joined; undefined when there is none. */
export function headerOf(rawHeaders: readonly Buffer[], name: string): string | undefined {
  let found: string | undefined;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const key = rawHeaders[i]!;
    if (key.length !== name.length || key.toString('latin1').toLowerCase() !== name) continue;
    const value = rawHeaders[i + 1]!.toString('latin1');
    found = found === undefined ? value : `${found}, ${value}`;
  }
  return found;
}
