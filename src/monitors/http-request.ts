import { Client, type Dispatcher } from 'undici';
import type { Timings } from '../messages/check-result.ts';
import { type Connection, openConnection, seconds, type TlsChoice } from './connect.ts';
import { ProbeFailure, toFailure } from './failure.ts';
import type { ConnectionGate } from './monitor.ts';
import type { NameResolver } from './resolver.ts';

export interface HttpRequest {
  url: URL;
  method: string;
  headers: Record<string, string>;
  body: string | null;
  tls: TlsChoice;
  /** Bytes of the body that are read at most; the connection is closed there. */
  maxBodyBytes: number;
  /** Whether the body is wanted, or only counted. */
  keepBody: boolean;
  signal: AbortSignal;
}

export interface HttpResponse {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
  /** Bytes of the body as received, before decoding. */
  bytes: number;
  /** The body went on after maxBodyBytes. */
  isTruncated: boolean;
  timings: Timings;
  connection: Connection;
  isReused: boolean;
}

/** Sends requests to one origin: over a fresh connection each, or over one that is kept. */
export interface HttpOrigin {
  request(request: HttpRequest): Promise<HttpResponse>;
  /** Closes what is kept open. */
  close(): void;
}

const MAX_HEADER_BYTES = 64 * 1024;
const KEEP_ALIVE_MS = 30_000;

export function createHttpOrigin(resolver: NameResolver, gate: ConnectionGate, keepAlive: boolean): HttpOrigin {
  let kept: Session | undefined;
  return {
    async request(request) {
      let session = keepAlive ? kept : undefined;
      if (!session || session.isClosed || session.origin !== request.url.origin) {
        session?.close();
        session = new Session(request, resolver, gate, keepAlive);
        if (keepAlive) kept = session;
      }
      try {
        return await session.exchange(request);
      } finally {
        if (!keepAlive) session.close();
      }
    },
    close() {
      kept?.close();
      kept = undefined;
    },
  };
}

/** One undici client with the connections that it opened, one at a time. */
class Session {
  readonly origin: string;
  readonly #client: Client;
  readonly #reset: boolean;
  #connection: Connection | undefined;
  /** The request that is under way: a new connection is opened in its name. */
  #request: HttpRequest;

  constructor(request: HttpRequest, resolver: NameResolver, gate: ConnectionGate, keepAlive: boolean) {
    this.origin = request.url.origin;
    this.#request = request;
    this.#reset = !keepAlive;
    this.#client = new Client(this.origin, {
      pipelining: 1,
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: MAX_HEADER_BYTES,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connect: (_options, callback) => {
        const { url, tls, signal } = this.#request;
        const isTls = url.protocol === 'https:';
        const port = url.port === '' ? (isTls ? 443 : 80) : Number(url.port);
        openConnection({ hostname: url.hostname, port, tls: isTls ? tls : null, signal }, resolver, gate).then(
          (connection) => {
            this.#connection = connection;
            callback(null, connection.socket);
          },
          (error) => callback(error, null),
        );
      },
    });
    // A kept connection that breaks while nobody uses it is opened anew by the next request.
    this.#client
      .on('connectionError', () => {})
      .on('disconnect', () => {
        this.#connection = undefined;
      });
  }

  get isClosed(): boolean {
    return this.#client.destroyed || this.#client.closed;
  }

  close(): void {
    this.#client.destroy().catch(() => {
      // It was destroyed already.
    });
  }

  exchange(request: HttpRequest): Promise<HttpResponse> {
    this.#request = request;
    const known = this.#connection;
    const { url, method, headers, body, signal } = request;
    return new Promise((resolve, reject) => {
      let controller: Dispatcher.DispatchController | undefined;
      const onAbort = () => {
        controller?.abort(signal.reason);
        settle();
        // undici waits for the connection under way; the caller does not.
        this.close();
        reject(signal.reason);
      };
      const settle = () => signal.removeEventListener('abort', onAbort);
      if (signal.aborted) return onAbort();
      signal.addEventListener('abort', onAbort, { once: true });
      const reader = new ResponseReader(request, {
        started: (started) => {
          controller = started;
          return this.#connection as Connection;
        },
        isReused: (connection) => connection === known,
        done: (response) => {
          settle();
          resolve(response);
        },
        failed: (error) => {
          settle();
          reject(signal.aborted ? signal.reason : toFailure(error, this.#connection ? 'request' : 'connect'));
        },
      });
      const path = `${url.pathname}${url.search}`;
      this.#client.dispatch(
        { path, method: method as Dispatcher.HttpMethod, headers, body, reset: this.#reset },
        reader,
      );
    });
  }
}

interface ReaderEvents {
  started(controller: Dispatcher.DispatchController): Connection;
  isReused(connection: Connection): boolean;
  done(response: HttpResponse): void;
  failed(error: unknown): void;
}

class ResponseReader implements Dispatcher.DispatchHandler {
  readonly #request: HttpRequest;
  readonly #events: ReaderEvents;
  readonly #chunks: Buffer[] = [];
  #connection!: Connection;
  #isReused = false;
  #timings: Timings = {};
  #sentAt = 0;
  #headersAt = 0;
  #status = 0;
  #headers: HttpResponse['headers'] = {};
  #bytes = 0;
  #isDone = false;

  constructor(request: HttpRequest, events: ReaderEvents) {
    this.#request = request;
    this.#events = events;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#connection = this.#events.started(controller);
    this.#isReused = this.#events.isReused(this.#connection);
    this.#sentAt = performance.now();
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: HttpResponse['headers']): void {
    if (status < 200) return;
    this.#headersAt = performance.now();
    this.#status = status;
    this.#headers = headers;
    this.#timings = { ...(this.#isReused ? {} : this.#connection.timings), ttfb: seconds(this.#sentAt) };
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#isDone) return;
    const { maxBodyBytes, keepBody } = this.#request;
    const room = maxBodyBytes - this.#bytes;
    const part = chunk.length > room ? chunk.subarray(0, room) : chunk;
    this.#bytes += part.length;
    if (keepBody && part.length > 0) this.#chunks.push(part);
    if (chunk.length <= room) return;
    this.#finish(true);
    controller.abort(new ProbeFailure('too_large', 'body cut off'));
  }

  onResponseEnd(): void {
    this.#finish(false);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (!this.#isDone) this.#events.failed(error);
  }

  #finish(isTruncated: boolean): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#timings.transfer = seconds(this.#headersAt);
    this.#events.done({
      status: this.#status,
      headers: this.#headers,
      body: Buffer.concat(this.#chunks),
      bytes: this.#bytes,
      isTruncated,
      timings: this.#timings,
      connection: this.#connection,
      isReused: this.#isReused,
    });
  }
}
