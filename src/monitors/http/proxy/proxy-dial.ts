import { isIP, type Socket } from 'node:net';
import type { Timings } from '../../../messages/check-result.ts';
import { ProbeFailure } from '../../failure.ts';
import type { ConnectionGate, NameResolver } from '../../monitor.ts';
import { Attempt } from '../../net/attempt.ts';
import { certificateFacts } from '../../net/certificate.ts';
import {
  type ConnectCallback,
  type Connection,
  type ConnectTarget,
  Dial,
  toSeconds,
  wantsClientCertificate,
} from '../../net/dial.ts';
import type { TimeLimit } from '../../net/time-limit.ts';
import { total } from '../../net/total.ts';
import type { HttpRequest } from '../transport/exchange.ts';
import { openConnectTunnel } from './connect-tunnel.ts';
import { isForwarded, type JobProxy } from './proxy.ts';

/**
 * Opens one connection through a proxy: to the proxy, then a tunnel, then the handshake with the site. The phase `dns` is
 * about the name of the proxy, `connect` lasts until the tunnel is there. A site's name is resolved by the proxy; the gate
 * is asked about the proxy, and about a site that is given by its address. Calls back once; after a failure or a stop no
 * socket is left open.
 */
export class ProxyDial {
  readonly #proxy: JobProxy;
  readonly #target: ConnectTarget;
  readonly #wantsCertificate: boolean;
  readonly #limit: TimeLimit;
  readonly #callback: ConnectCallback;
  /** The activity that the limit names before and after that of the proxy. */
  readonly #activity: string;
  readonly timings: Timings = {};
  #dial: Dial | null = null;
  #socket: Socket | null = null;
  #attempt: Attempt | null = null;
  #phaseAt = 0;
  #tookMs = 0;
  #isDone = false;

  constructor(
    proxy: JobProxy,
    target: ConnectTarget,
    wantsCertificate: boolean,
    context: { names: NameResolver; gate: ConnectionGate },
    limit: TimeLimit,
    callback: ConnectCallback,
  ) {
    this.#proxy = proxy;
    this.#target = target;
    this.#wantsCertificate = wantsCertificate;
    this.#limit = limit;
    this.#callback = callback;
    this.#activity = limit.activity;
    const refusal = isIP(target.host) ? context.gate.refusal(target.host) : null;
    if (refusal !== null) {
      this.#fail(new ProbeFailure('forbidden_address', refusal));
      return;
    }
    limit.activity = `connection through proxy ${proxy.name}`;
    const onDialled = (failure: ProbeFailure | null, connection: Connection | null) => {
      if (connection === null) this.#failByProxy(failure as ProbeFailure);
      else this.#onConnected(connection);
    };
    this.#dial = new Dial(proxy.target, false, context, limit, total(onDialled, this.#onDefect));
    // It may have failed at once.
    if (this.#isDone) this.#dial = null;
  }

  stop(failure: ProbeFailure): void {
    this.#fail(failure);
  }

  #onConnected({ socket, timings, tookMs }: Connection): void {
    const { dns, connect = 0, tls = 0 } = timings;
    if (dns !== undefined) this.timings.dns = dns;
    this.timings.connect = toSeconds((connect + tls) * 1_000);
    this.#tookMs = tookMs;
    this.#socket = socket;
    // Others listen for errors, too; one that comes between them must not end the process.
    socket.on('error', ignore);
    this.#phaseAt = performance.now();
    if (!isForwarded(this.#proxy, this.#target)) this.#openTunnel(socket);
    else {
      this.#limit.activity = this.#activity;
      this.#ready(socket);
    }
  }

  #openTunnel(socket: Socket): void {
    const onEnd = (failure: ProbeFailure | null) => {
      if (failure !== null) this.#failByProxy(failure);
      else if (!this.#isDone) this.#onTunnel(socket);
    };
    if (this.#proxy.kind === 'http') {
      openConnectTunnel(socket, this.#proxy, this.#target, total(onEnd, this.#onDefect));
      return;
    }
    this.#openSocks(socket).then(
      total(() => onEnd(null), this.#onDefect),
      total((error: Error) => onEnd(new ProbeFailure('connect', error.message)), this.#onDefect),
    );
  }

  /** The package is loaded with the first connection through such a proxy. */
  async #openSocks(socket: Socket): Promise<void> {
    const { openSocksTunnel } = await import('../../net/socks-tunnel.ts');
    if (socket.destroyed) throw new Error('it closed the connection at once');
    const { target, credentials } = this.#proxy;
    // Longer than the limit, which has reasons of its own to give.
    const timeoutMs = 2 * this.#limit.timeoutMs;
    await openSocksTunnel(socket, { version: 5, ...target, credentials }, this.#target, timeoutMs);
  }

  #onTunnel(socket: Socket): void {
    this.#limit.activity = this.#activity;
    const tunnelMs = this.#took();
    this.timings.connect = toSeconds((this.timings.connect ?? 0) * 1_000 + tunnelMs);
    if (this.#target.tls === null) {
      this.#ready(socket);
      return;
    }
    this.#phaseAt = performance.now();
    const events = {
      onConnected: ignore,
      onSecured: ({ socket }: Attempt) => {
        this.timings.tls = toSeconds(this.#took());
        this.#ready(socket);
      },
      onFailed: (_attempt: Attempt, failure: ProbeFailure) => this.#fail(failure),
    };
    this.#attempt = new Attempt(this.#target.host, this.#target, events, socket);
  }

  #ready(socket: Socket): void {
    const { tls } = this.#target;
    const connection: Connection = {
      socket,
      timings: this.timings,
      tookMs: this.#tookMs,
      remoteAddress: this.#socket?.remoteAddress ?? this.#proxy.target.host,
      certificate: this.#wantsCertificate && tls ? certificateFacts(socket, Date.now(), tls.ca) : null,
      lacksClientCertificate: tls !== null && tls.cert === undefined && wantsClientCertificate(socket),
    };
    this.#isDone = true;
    this.#callback(null, connection);
    this.#attempt?.release();
  }

  /** Ends the phase, and returns how long it took, in ms. */
  #took(): number {
    const ms = Math.max(0, this.#limit.eventAt(this.#phaseAt) - this.#phaseAt);
    this.#tookMs += ms;
    return ms;
  }

  #failByProxy(failure: ProbeFailure): void {
    this.#fail(ofProxy(failure, this.#proxy));
  }

  readonly #onDefect = (failure: ProbeFailure): void => this.#fail(failure);

  #fail(failure: ProbeFailure): void {
    if (this.#isDone) return;
    this.#isDone = true;
    if (this.#dial !== null && this.#socket === null) {
      Object.assign(this.timings, this.#dial.timings);
      this.#dial.stop(failure);
    }
    this.#attempt?.destroy();
    this.#socket?.destroy();
    this.#callback(failure, null);
  }
}

/** Says that a failure is the proxy's; one of ours, of the gate or of the time limit keeps its reason. */
export function ofProxy({ reason, message }: ProbeFailure, { name }: JobProxy): ProbeFailure {
  const isSite = reason === 'dns' || reason === 'tls' || reason === 'protocol' || reason === 'too_large';
  const isOurs = reason === 'timeout' || reason === 'stopped' || reason === 'stalled' || reason === 'internal';
  return isOurs
    ? new ProbeFailure(reason, message)
    : new ProbeFailure(isSite ? 'connect' : reason, `proxy ${name}: ${message}`);
}

/** Begins the connection of a request, through its proxy if it has one. */
export function dial(
  { target, proxy }: HttpRequest,
  wantsCertificate: boolean,
  context: { names: NameResolver; gate: ConnectionGate },
  limit: TimeLimit,
  callback: ConnectCallback,
): Dial | ProxyDial {
  return proxy === null
    ? new Dial(target, wantsCertificate, context, limit, callback)
    : new ProxyDial(proxy, target, wantsCertificate, context, limit, callback);
}

const ignore = () => {};
