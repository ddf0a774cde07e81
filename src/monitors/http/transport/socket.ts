import type { Socket } from 'node:net';
import { ProbeFailure, toDefect, toFailure } from '../../failure.ts';
import { afterHandshake, type ConnectCallback, type Connection } from '../../net/dial.ts';
import type { TimeLimit } from '../../net/time-limit.ts';
import { total } from '../../net/total.ts';
import { authorityOf, serializeHead, serializeRequest } from '../parser/request.ts';
import { type ResponseHead, ResponseParser, type ResponseSink } from '../parser/response-parser.ts';
import { isForwarded, proxyAuthorization } from '../proxy/proxy.ts';
import { dial } from '../proxy/proxy-dial.ts';
import type { HttpOutcome, HttpRequest, HttpTransport } from './exchange.ts';
import { KeptConnection, MAX_CONNECTION_AGE_MS, type TransportContext } from './kept-connection.ts';
import { partingConnections } from './parting-connections.ts';
import { ResponseCollector } from './response-collector.ts';

/** Exchanges on plain sockets, parsed as leniently as in browsers. */
export class SocketTransport implements HttpTransport {
  readonly #context: TransportContext;
  readonly #maxAgeMs: number;
  readonly #keeps: boolean;
  #kept: KeptConnection | null = null;
  #isClosed = false;
  isBusy = false;

  constructor(context: TransportContext, keeps: boolean, maxAgeMs = MAX_CONNECTION_AGE_MS) {
    this.#context = context;
    this.#keeps = keeps;
    this.#maxAgeMs = maxAgeMs;
  }

  exchange(request: HttpRequest, limit: TimeLimit): Promise<HttpOutcome> {
    this.isBusy = true;
    if (this.#kept === null) return this.#exchangeOn(null, null, request, limit);
    return this.#takeKept(this.#kept, request, limit).then((kept) => this.#exchangeOn(kept, null, request, limit));
  }

  /** Exchanges on a fresh connection that is open already. */
  exchangeOn(opened: Connection, request: HttpRequest, limit: TimeLimit): Promise<HttpOutcome> {
    this.isBusy = true;
    return this.#exchangeOn(null, opened, request, limit);
  }

  #exchangeOn(
    kept: KeptConnection | null,
    opened: Connection | null,
    request: HttpRequest,
    limit: TimeLimit,
  ): Promise<HttpOutcome> {
    const keep = this.#keeps
      ? (connection: Connection, head: ResponseHead) => this.#park(kept, connection, head)
      : null;
    return new Promise((resolve) => {
      const exchange = new SocketExchange(request, this.#context, limit, keep, (outcome) => {
        limit.guard(null);
        this.isBusy = false;
        resolve(outcome);
      });
      limit.guard((failure) => exchange.stop(failure));
      if (opened === null) exchange.begin(kept?.connection ?? null);
      else exchange.send(opened, false);
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#kept?.close();
    this.#kept = null;
  }

  #park(kept: KeptConnection | null, connection: Connection, head: ResponseHead): void {
    if (this.#isClosed) {
      connection.socket.destroy();
      return;
    }
    this.#kept = kept ?? new KeptConnection(connection, this.#maxAgeMs, this.#context.waiting);
    this.#kept.park(head);
  }

  /** Returns the kept connection if it equals a fresh one. */
  async #takeKept(kept: KeptConnection, request: HttpRequest, limit: TimeLimit): Promise<KeptConnection | null> {
    this.#kept = null;
    if (await kept.take(request, this.#context, limit)) return kept;
    kept.close();
    return null;
  }
}

function headOf({ method, path, href, origin, headers, target, proxy }: HttpRequest): string {
  if (proxy !== null && isForwarded(proxy, target)) {
    const sent = [...headers, ...proxyAuthorization(proxy)];
    return serializeHead({ method, path: href, authority: authorityOf(origin), headers: sent });
  }
  return serializeHead({ method, path, authority: authorityOf(origin), headers });
}

/** One request and its response on one connection. */
class SocketExchange implements ResponseSink {
  readonly #request: HttpRequest;
  readonly #context: TransportContext;
  readonly #limit: TimeLimit;
  readonly #keep: ((connection: Connection, head: ResponseHead) => void) | null;
  readonly #collector: ResponseCollector;
  readonly #parser: ResponseParser;
  #dial: ReturnType<typeof dial> | null = null;
  #connection: Connection | null = null;
  #head: ResponseHead | null = null;

  constructor(
    request: HttpRequest,
    context: TransportContext,
    limit: TimeLimit,
    keep: ((connection: Connection, head: ResponseHead) => void) | null,
    onEnd: (outcome: HttpOutcome) => void,
  ) {
    this.#request = request;
    this.#context = context;
    this.#limit = limit;
    this.#keep = keep;
    this.#collector = new ResponseCollector(request, limit, onEnd);
    this.#parser = new ResponseParser(this, { isHeadRequest: request.method === 'HEAD' });
  }

  get isDone(): boolean {
    return this.#collector.isDone;
  }

  begin(kept: Connection | null): void {
    if (kept) this.send(kept, true);
    else if (!this.isDone) this.#open();
  }

  #open(): void {
    const { target, wantsCertificate } = this.#request;
    // Reuse of a connection depends on its certificate.
    const looks = wantsCertificate || (this.#keep !== null && target.tls !== null);
    const onDialled: ConnectCallback = (failure, connection) => {
      if (connection) this.send(connection, false);
      else this.#fail(failure);
    };
    try {
      this.#dial = dial(this.#request, looks, this.#context, this.#limit, total(onDialled, this.#onDefect));
    } catch (error) {
      this.#fail(toDefect(error));
    }
  }

  /** Ends the exchange at once and closes its socket. */
  stop(failure: ProbeFailure): void {
    if (this.isDone) return;
    this.#fail(failure);
  }

  onHead(head: ResponseHead): void {
    this.#head = head;
    this.#collector.onHead(head);
  }

  onBody(bytes: Buffer): void {
    this.#collector.onBody(bytes);
  }

  send(connection: Connection, isReused: boolean): void {
    this.#connection = connection;
    this.#collector.begin(connection, isReused);
    const { socket } = connection;
    if (this.isDone) {
      // The time was over before the connection could be used.
      socket.destroy();
      return;
    }
    socket.on('data', this.#onData).on('end', this.#onEnd).on('error', this.#onError).on('close', this.#onClose);
    try {
      socket.write(this.#serialized(), 'latin1');
    } catch (error) {
      this.#fail(toDefect(error));
    }
  }

  #serialized(): string | Buffer {
    const { method, head, slotTag, body } = this.#request;
    return serializeRequest(head ?? headOf(this.#request), { method, slotTag, body, keepAlive: this.#keep !== null });
  }

  readonly #onDefect = (failure: ProbeFailure): void => this.#fail(failure);

  readonly #onData = total((chunk: Buffer): void => {
    if (this.isDone) {
      this.#connection?.socket.destroy();
      return;
    }
    this.#parser.push(chunk);
    this.#settle();
  }, this.#onDefect);

  readonly #onEnd = total((): void => {
    if (this.isDone) {
      this.#connection?.socket.destroy();
      return;
    }
    this.#parser.end();
    this.#settle();
  }, this.#onDefect);

  readonly #onError = total((error: Error): void => {
    const failure = toFailure(error, this.#collector.hasHead ? 'response' : 'request');
    this.#fail(this.#explained(failure), !this.#parser.hasBegun);
  }, this.#onDefect);

  readonly #onClose = (): void => {
    if (this.isDone) partingConnections.delete((this.#connection as Connection).socket);
    else this.#onEnd();
  };

  #settle(): void {
    const { fault } = this.#parser;
    if (fault) {
      const failure = new ProbeFailure(fault.reason, fault.message);
      this.#fail(this.#explained(failure), !this.#parser.hasBegun);
      return;
    }
    if (this.#parser.isDone) this.#collector.succeed();
    if (this.isDone) this.#release();
  }

  #explained(failure: ProbeFailure): ProbeFailure {
    return this.#collector.hasHead ? failure : afterHandshake(failure, this.#connection as Connection);
  }

  #fail(failure: ProbeFailure, mayBeStale = false): void {
    if (this.isDone) return;
    if (this.#connection === null) Object.assign(this.#collector.timings, this.#dial?.timings);
    this.#collector.fail(failure, mayBeStale);
    if (this.#connection === null) this.#dial?.stop(failure);
    else this.#connection.socket.destroy();
  }

  #release(): void {
    const connection = this.#connection as Connection;
    const { socket } = connection;
    if (this.#keep !== null && this.#parser.isReusable && !socket.destroyed) {
      this.#unlisten(socket);
      this.#keep(connection, this.#head as ResponseHead);
    } else if (this.#keep === null && this.#parser.isComplete && !socket.readableEnded) partingConnections.add(socket);
    else socket.destroy();
  }

  #unlisten(socket: Socket): void {
    socket.off('data', this.#onData).off('end', this.#onEnd).off('error', this.#onError).off('close', this.#onClose);
  }
}
