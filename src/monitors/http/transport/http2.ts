import { type ClientHttp2Session, type ClientHttp2Stream, connect, type OutgoingHttpHeaders } from 'node:http2';
import { ProbeFailure, toDefect } from '../../failure.ts';
import { afterHandshake, type Connection } from '../../net/dial.ts';
import type { TimeLimit } from '../../net/time-limit.ts';
import { total } from '../../net/total.ts';
import { headerValues } from '../parser/headers.ts';
import type { HeaderList } from '../parser/lines.ts';
import { authorityOf, EXPECTS_BODY } from '../parser/request.ts';
import { MAX_HEAD_BYTES, MAX_INTERIM_RESPONSES } from '../parser/response-parser.ts';
import type { HttpOutcome, HttpRequest } from './exchange.ts';
import { cutOff, http2Failure } from './http2-failure.ts';
import { partingConnections } from './parting-connections.ts';
import { ResponseCollector } from './response-collector.ts';

/** Pseudo headers included. */
const MAX_HEADERS = 1_001;
/** More than a job may have. */
const MAX_SENT_HEAD_BYTES = 1_048_576;
/** The site may send so much before we grant more: with 64 kB, the default, a long way makes bodies slow. */
const WINDOW_BYTES = 1_048_576;
/** Limits of what is no body, headers and padding included: frames that need no answer are nowhere counted. */
const MAX_OTHER_BYTES = 256 * 1024;
const MAX_OTHER_SHARE = 16;
const WATCH_MS = 50;

/** Exchanges by HTTP/2 (RFC 9113) on a connection of this exchange alone. Never rejects; closes the connection. */
export function exchangeHttp2(connection: Connection, request: HttpRequest, limit: TimeLimit): Promise<HttpOutcome> {
  return new Promise((resolve) => {
    const exchange = new Http2Exchange(connection, request, limit, (outcome) => {
      limit.guard(null);
      resolve(outcome);
    });
    limit.guard((failure) => exchange.stop(failure));
    exchange.begin();
  });
}

class Http2Exchange {
  readonly #connection: Connection;
  readonly #request: HttpRequest;
  readonly #collector: ResponseCollector;
  #session: ClientHttp2Session | null = null;
  #stream: ClientHttp2Stream | null = null;
  #watch: NodeJS.Timeout | undefined;
  #interim = 0;
  #bodyBytes = 0;
  /** Declared length of the body; null: none. */
  #length: number | null = null;

  constructor(connection: Connection, request: HttpRequest, limit: TimeLimit, onEnd: (outcome: HttpOutcome) => void) {
    this.#connection = connection;
    this.#request = request;
    this.#collector = new ResponseCollector(request, limit, onEnd);
  }

  begin(): void {
    const { socket } = this.#connection;
    if (this.#collector.isDone) {
      // The time was over before the connection could be used.
      socket.destroy();
      return;
    }
    try {
      const { origin, body } = this.#request;
      const headers = headersOf(this.#request);
      const session = connect(origin, {
        createConnection: () => socket,
        settings: { enablePush: false, initialWindowSize: WINDOW_BYTES, maxHeaderListSize: MAX_HEAD_BYTES },
        maxHeaderListPairs: MAX_HEADERS,
        maxReservedRemoteStreams: 0,
        maxSendHeaderBlockLength: MAX_SENT_HEAD_BYTES,
      });
      this.#session = session;
      session.on('error', this.#onError).on('close', this.#onEnd);
      session.setLocalWindowSize(WINDOW_BYTES);
      this.#collector.begin(this.#connection, false);
      this.#stream = session.request(headers, { endStream: body === null });
      this.#listen(this.#stream);
      if (body !== null) this.#stream.end(body);
      this.#watch = setInterval(this.#onWatch, WATCH_MS).unref();
    } catch (error) {
      this.#fail(toDefect(error));
    }
  }

  /** Ends the exchange at once and closes its socket. */
  stop(failure: ProbeFailure): void {
    this.#fail(failure);
  }

  #listen(stream: ClientHttp2Stream): void {
    const onResponse = this.#onResponse as () => void;
    const onTrailers = this.#onTrailers as () => void;
    stream.on('headers', this.#onInterim).on('response', onResponse).on('data', this.#onData);
    stream.on('trailers', onTrailers);
    stream.on('end', this.#onEnd).on('error', this.#onError).on('close', this.#onEnd);
  }

  readonly #onDefect = (failure: ProbeFailure): void => this.#fail(failure);

  readonly #onInterim = total(() => {
    this.#interim++;
    if (this.#interim > MAX_INTERIM_RESPONSES) this.#fail(new ProbeFailure('protocol', 'too many interim responses'));
  }, this.#onDefect);

  /** The third argument is the list of headers as they came: the first makes one value of several. */
  readonly #onResponse = total((given: { ':status'?: number }, _flags: number, raw: readonly string[]) => {
    if (this.#collector.isDone) return;
    if (this.#isTooLarge(raw)) return;
    const headers = fieldsOf(raw);
    const status = Number(given[':status']);
    const [length] = this.#request.method === 'HEAD' || status === 304 ? [] : headerValues(headers, 'content-length');
    this.#length = length === undefined ? null : Number(length);
    this.#collector.onHead({ status, headers });
    this.#settle();
  }, this.#onDefect);

  readonly #onTrailers = total((_given: object, _flags: number, raw: readonly string[]) => {
    if (this.#collector.isDone || this.#isTooLarge(raw)) return;
    this.#collector.onTrailers(fieldsOf(raw));
  }, this.#onDefect);

  readonly #onData = total((chunk: Buffer) => {
    this.#bodyBytes += chunk.length;
    this.#collector.onBody(chunk);
    this.#settle();
  }, this.#onDefect);

  /** A stream ends without an error also where its session does. */
  readonly #onEnd = total(() => {
    if (this.#collector.isDone) return;
    const code = this.#stream?.rstCode ?? 0;
    const isWhole = code === 0 && (this.#length ?? this.#bodyBytes) === this.#bodyBytes;
    if (this.#collector.hasHead && isWhole) {
      this.#collector.succeed();
      this.#part();
    } else this.#fail(this.#explained(cutOff(code, this.#collector.hasHead)));
  }, this.#onDefect);

  readonly #onError = total((error: Error) => {
    if (this.#collector.isDone) return;
    this.#fail(this.#explained(http2Failure(error, this.#collector.hasHead ? 'response' : 'request')));
  }, this.#onDefect);

  readonly #onWatch = total(() => {
    const others = this.#connection.socket.bytesRead - this.#bodyBytes;
    if (others <= MAX_OTHER_BYTES + MAX_OTHER_SHARE * this.#bodyBytes) return;
    this.#fail(new ProbeFailure('protocol', `the site sends frames without a body: ${others} bytes so far`));
  }, this.#onDefect);

  /** Fails when it is. */
  #isTooLarge(raw: readonly string[]): boolean {
    const isTooLarge = raw.reduce((sum, text) => sum + text.length, 0) > MAX_HEAD_BYTES;
    if (isTooLarge) this.#fail(new ProbeFailure('too_large', 'headers of the response are too large'));
    return isTooLarge;
  }

  #explained(failure: ProbeFailure): ProbeFailure {
    return this.#collector.hasHead ? failure : afterHandshake(failure, this.#connection);
  }

  #fail(failure: ProbeFailure): void {
    if (this.#collector.isDone) return;
    this.#collector.fail(failure);
    this.#close();
  }

  #settle(): void {
    if (this.#collector.isDone) this.#close();
  }

  /** Asks the site to close the connection, as it has sent all. node:http2 does not see it do so, but the port is spared. */
  #part(): void {
    const { socket } = this.#connection;
    if (this.#session === null || this.#session.destroyed) {
      this.#close();
      return;
    }
    clearInterval(this.#watch);
    this.#session.goaway();
    socket.on('close', () => partingConnections.delete(socket));
    partingConnections.add(socket);
  }

  #close(): void {
    clearInterval(this.#watch);
    this.#session?.destroy();
    // A session waits until its last frames are sent.
    this.#connection.socket.destroy();
  }
}

/** The list of fields without the pseudo headers. */
function fieldsOf(raw: readonly string[]): HeaderList {
  return raw.filter((_, index) => !raw[index - (index % 2)]?.startsWith(':'));
}

function headersOf({ method, path, origin, target, headers, slotTag, body }: HttpRequest): OutgoingHttpHeaders {
  // Without a prototype, so that `__proto__` is a name like any other.
  const sent: OutgoingHttpHeaders = Object.assign(Object.create(null), {
    ':method': method,
    ':scheme': target.tls === null ? 'http' : 'https',
    ':authority': authorityOf(origin),
    ':path': path,
  });
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = (headers[i] ?? '').toLowerCase();
    const value = (headers[i + 1] ?? '').trim();
    if (name === 'host') sent[':authority'] = value;
    else sent[name] = value;
  }
  if (slotTag !== null) sent['vedette-slot'] = slotTag;
  if (body !== null) sent['content-length'] = Buffer.byteLength(body);
  else if (EXPECTS_BODY.has(method)) sent['content-length'] = 0;
  return sent;
}
