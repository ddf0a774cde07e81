import type { TLSSocket } from 'node:tls';
import { ProbeFailure, toDefect } from '../../failure.ts';
import type { Connection } from '../../net/dial.ts';
import type { TimeLimit } from '../../net/time-limit.ts';
import { total } from '../../net/total.ts';
import { dial } from '../proxy/proxy-dial.ts';
import { failed, type HttpOutcome, type HttpRequest, type HttpTransport } from './exchange.ts';
import type { TransportContext } from './kept-connection.ts';
import { SocketTransport } from './socket.ts';

/**
 * Exchanges by the version of HTTP that the handshake agrees on (ALPN), each on a connection of its own. With `knowsHttp2` it
 * is HTTP/2 without TLS, too, where nothing is agreed on (RFC 9113 3.3).
 */
export class NegotiatedTransport implements HttpTransport {
  readonly #context: TransportContext;
  readonly #needsHttp2: boolean;
  readonly #knowsHttp2: boolean;
  readonly isBusy = false;

  constructor(context: TransportContext, needsHttp2: boolean, knowsHttp2 = false) {
    this.#context = context;
    this.#needsHttp2 = needsHttp2;
    this.#knowsHttp2 = knowsHttp2;
  }

  async exchange(request: HttpRequest, limit: TimeLimit): Promise<HttpOutcome> {
    const http1 = new SocketTransport(this.#context, false);
    const isPlain = request.target.tls === null;
    if (isPlain && !this.#knowsHttp2) {
      return this.#needsHttp2 ? failed(refusal('http_version 2 needs https')) : http1.exchange(request, limit);
    }
    const dialled = await this.#dial(request, limit);
    if ('error' in dialled) return dialled;
    const { connection } = dialled;
    if (connection.socket.destroyed) return failed(CLOSED_AT_ONCE(), connection.timings);
    if (isPlain || isHttp2(connection)) return (await import('./http2.ts')).exchangeHttp2(connection, request, limit);
    if (!this.#needsHttp2) return http1.exchangeOn(connection, request, limit);
    connection.socket.destroy();
    return failed(refusal(NOT_AGREED), connection.timings);
  }

  close(): void {}

  #dial(request: HttpRequest, limit: TimeLimit): Promise<HttpOutcome | { connection: Connection }> {
    return new Promise((resolve) => {
      let pending: ReturnType<typeof dial> | null = null;
      const end = (failure: ProbeFailure) => resolve(failed(this.#explained(failure), pending?.timings));
      const onDialled = (failure: ProbeFailure | null, connection: Connection | null) => {
        if (connection === null) return end(failure as ProbeFailure);
        // It has no owner until the exchange begins.
        connection.socket.on('error', ignore);
        resolve({ connection });
      };
      try {
        pending = dial(request, request.wantsCertificate, this.#context, limit, total(onDialled, end));
        limit.guard((failure) => pending?.stop(failure));
      } catch (error) {
        end(toDefect(error));
      }
    });
  }

  #explained(failure: ProbeFailure): ProbeFailure {
    const isRefused = this.#needsHttp2 && /no.application.protocol/i.test(failure.message);
    return isRefused ? refusal(NOT_AGREED) : failure;
  }
}

export function isHttp2({ socket }: Connection): boolean {
  return (socket as Partial<TLSSocket>).alpnProtocol === 'h2';
}

const NOT_AGREED = 'the site does not agree to HTTP/2 in the handshake (ALPN)';
const refusal = (message: string) => new ProbeFailure('protocol', message);
const CLOSED_AT_ONCE = () => new ProbeFailure('connect', 'connection closed without a response');
const ignore = () => {};
