import { createRequire } from 'node:module';
import type { buildConnector, Client, Dispatcher } from 'undici';
import { ProbeFailure, toFailure } from '../../failure.ts';
import { afterHandshake, type ConnectCallback, type Connection, Dial } from '../../net/dial.ts';
import type { TimeLimit } from '../../net/time-limit.ts';
import { total } from '../../net/total.ts';
import type { HeaderList } from '../parser/lines.ts';
import { MAX_HEAD_BYTES, MAX_INTERIM_RESPONSES } from '../parser/response-parser.ts';
import type { HttpOutcome, HttpRequest, HttpTransport } from './exchange.ts';
import { isAsGoodAsFresh, MAX_CONNECTION_AGE_MS, type TransportContext } from './kept-connection.ts';
import { ResponseCollector } from './response-collector.ts';
import { sharedWaiting, type Waiting, type WaitingConnections } from './waiting-connections.ts';

const require = createRequire(import.meta.url);
let undici: typeof import('undici') | undefined;

/** To be called when a strict job is prepared, and not first for its check: it takes 130 ms and 18 MB. */
export function loadUndici(): typeof import('undici') {
  undici ??= require('undici') as typeof import('undici');
  return undici;
}

/** Exchanges by undici's client, whose parser refuses everything that is not exactly HTTP/1.1. */
export class StrictTransport implements HttpTransport, Waiting {
  readonly #origin: string;
  readonly #context: TransportContext;
  readonly #keeps: boolean;
  readonly #waiting: WaitingConnections;
  #client: Client | null = null;
  /** The pending exchange. */
  #exchange: StrictExchange | null = null;
  #connection: Connection | null = null;
  #connectedAt = 0;

  constructor(origin: string, context: TransportContext, keeps: boolean) {
    this.#origin = origin;
    this.#context = context;
    this.#keeps = keeps;
    this.#waiting = context.waiting ?? sharedWaiting;
  }

  get isBusy(): boolean {
    return this.#exchange !== null;
  }

  async exchange(request: HttpRequest, limit: TimeLimit): Promise<HttpOutcome> {
    const exchange = new StrictExchange(request, this.#keeps, this.#context, limit);
    this.#exchange = exchange;
    this.#waiting.delete(this);
    const kept = this.#connection;
    const isOld = performance.now() - this.#connectedAt > MAX_CONNECTION_AGE_MS;
    if (kept && (isOld || !(await isAsGoodAsFresh(kept, request, this.#context, limit)))) this.close();
    this.#client ??= this.#createClient();
    const outcome = await exchange.run(this.#client, this.#connection);
    this.#connection = exchange.connection;
    this.#exchange = null;
    this.#wait(kept);
    return outcome;
  }

  #wait(before: Connection | null): void {
    const connection = this.#connection;
    if (!this.#keeps || this.#client === null || connection === null || connection.socket.destroyed) return;
    this.#waiting.add(this);
    if (connection === before) return;
    connection.socket.once('close', () => {
      if (this.#connection === connection) this.#waiting.delete(this);
    });
  }

  close(): void {
    this.#waiting.delete(this);
    this.#connection = null;
    this.#client?.destroy().catch(() => {
      // Errors of closing do not matter.
    });
    this.#client = null;
  }

  #createClient(): Client {
    return new (loadUndici().Client)(this.#origin, {
      pipelining: 1,
      // The check has a time limit of its own.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: MAX_HEAD_BYTES,
      keepAliveTimeout: MAX_CONNECTION_AGE_MS,
      keepAliveMaxTimeout: MAX_CONNECTION_AGE_MS,
      connect: (_options, callback) => {
        this.#connectedAt = performance.now();
        if (this.#exchange) this.#exchange.dial(callback);
        else callback(new ProbeFailure('internal', 'nobody asked for a connection'), null);
      },
    });
  }
}

/** One request and its response, as undici's handler: the low-level form, which leaves headers unparsed. */
class StrictExchange implements Dispatcher.DispatchHandler {
  readonly #request: HttpRequest;
  readonly #keeps: boolean;
  readonly #context: TransportContext;
  readonly #limit: TimeLimit;
  readonly #collector: ResponseCollector;
  readonly #outcome: Promise<HttpOutcome>;
  #dial: Dial | null = null;
  #abort: ((error?: Error) => void) | null = null;
  #isReused = true;
  #interim = 0;
  connection: Connection | null = null;

  constructor(request: HttpRequest, keeps: boolean, context: TransportContext, limit: TimeLimit) {
    this.#request = request;
    this.#keeps = keeps;
    this.#context = context;
    this.#limit = limit;
    let end: (outcome: HttpOutcome) => void = () => {};
    this.#outcome = new Promise((resolve) => {
      end = resolve;
    });
    this.#collector = new ResponseCollector(request, limit, end);
  }

  async run(client: Client, kept: Connection | null): Promise<HttpOutcome> {
    this.connection = kept;
    this.#limit.guard((failure) => this.#stop(failure));
    const { path, method, slotTag, body } = this.#request;
    const headers = [...this.#request.headers, ...(slotTag === null ? [] : ['vedette-slot', slotTag])];
    const options = { path, method: method as Dispatcher.HttpMethod, headers, body, reset: !this.#keeps };
    try {
      if (!this.#collector.isDone) client.dispatch(options, this);
    } catch (error) {
      this.#stop(new ProbeFailure('internal', (error as Error).message));
    }
    const outcome = await this.#outcome;
    this.#limit.guard(null);
    return outcome;
  }

  dial(callback: buildConnector.Callback): void {
    this.#isReused = false;
    const { target, wantsCertificate } = this.#request;
    const onDialled: ConnectCallback = (failure, connection) => {
      this.connection = connection;
      if (failure) callback(failure, null);
      else callback(null, connection.socket);
    };
    const guarded = total(onDialled, (failure) => this.#stop(failure));
    this.#dial = new Dial(target, wantsCertificate, this.#context, this.#limit, guarded);
  }

  onConnect(abort: (error?: Error) => void): void {
    if (this.#collector.isDone || this.connection === null) {
      abort();
      return;
    }
    this.#abort = abort;
    this.#collector.begin(this.connection, this.#isReused);
  }

  onHeaders(status: number, rawHeaders: Buffer[]): boolean {
    if (status < 200) {
      this.#interim++;
      if (this.#interim > MAX_INTERIM_RESPONSES) this.#stop(new ProbeFailure('protocol', 'too many interim responses'));
      return true;
    }
    this.#collector.onHead({ status, headers: rawHeaders.map(nameOrValue) satisfies HeaderList });
    if (this.#collector.isDone) this.#abort?.();
    return true;
  }

  onData(chunk: Buffer): boolean {
    if (this.#collector.isDone) return true;
    this.#collector.onBody(chunk);
    if (this.#collector.isDone) this.#abort?.();
    return true;
  }

  onComplete(): void {
    this.#collector.succeed();
    // undici would destroy it with an error, whose stack trace costs a tenth of the check.
    if (!this.#keeps) this.connection?.socket.destroy();
  }

  onError(error: Error): void {
    if (this.#collector.isDone) return;
    const failure = this.#toFailure(error);
    this.#fail(failure, failure.reason === 'connect' && !this.#collector.hasHead);
  }

  /** Ends the exchange at once and closes its socket. */
  #stop(failure: ProbeFailure): void {
    if (this.#collector.isDone) return;
    this.#fail(failure);
    if (this.#abort) this.#abort(failure);
    else this.#dial?.stop(failure);
  }

  #fail(failure: ProbeFailure, mayBeStale = false): void {
    if (this.#abort === null) Object.assign(this.#collector.timings, this.#dial?.timings);
    this.#collector.fail(failure, mayBeStale);
  }

  #toFailure(error: Error): ProbeFailure {
    if (this.#abort === null) return toFailure(error, this.#dial?.phase ?? 'connect');
    if (this.#collector.hasHead) return toFailure(error, 'response');
    const failure = toFailure(error, 'request');
    return this.connection === null ? failure : afterHandshake(failure, this.connection);
  }
}

const nameOrValue = (bytes: Buffer, index: number) =>
  index % 2 === 0 ? bytes.toString('latin1').toLowerCase() : bytes.toString('latin1');
