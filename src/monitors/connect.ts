import { isIP, type Socket, connect as tcpConnect } from 'node:net';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import type { Timings } from '../messages/check-result.ts';
import { type CertificateFacts, certificateFacts } from './certificate.ts';
import { type Phase, ProbeFailure, toFailure } from './failure.ts';
import type { ConnectionGate, NameResolver } from './monitor.ts';
import { secureContextOf, type TlsMaterial } from './tls-contexts.ts';

export interface ConnectTarget {
  /** A name or an address, without brackets. */
  host: string;
  port: number;
  /** null: no TLS. */
  tls: TlsChoice | null;
}

export interface TlsChoice extends TlsMaterial {
  verify: boolean;
  /** Sent as SNI and expected in the certificate, instead of the host. */
  serverName?: string;
}

export interface Connection {
  socket: Socket;
  /** dns, connect and tls. */
  timings: Timings;
  remoteAddress: string;
  /** null without TLS, and when nobody asked for it. */
  certificate: CertificateFacts | null;
}

export type ConnectCallback = (failure: ProbeFailure | null, connection: Connection | null) => void;

/** Addresses of one host that are tried at most. */
const MAX_ADDRESSES = 4;

/**
 * Opens one connection: looks the name up, asks the gate, connects and shakes hands, timing each phase. Addresses are
 * tried one after the other. Calls back once; after a failure or a stop no socket of it is left open.
 */
export class Dial {
  readonly #target: ConnectTarget;
  readonly #wantsCertificate: boolean;
  readonly #gate: ConnectionGate;
  readonly #callback: ConnectCallback;
  /** Of the phases that have ended. */
  readonly timings: Timings = {};
  #phase: Phase = 'dns';
  #phaseAt = performance.now();
  #addresses: readonly string[] = [];
  #next = 0;
  #socket: Socket | null = null;
  #patience: NodeJS.Timeout | undefined;
  #isDone = false;

  constructor(
    target: ConnectTarget,
    wantsCertificate: boolean,
    { names, gate }: { names: NameResolver; gate: ConnectionGate },
    callback: ConnectCallback,
  ) {
    this.#target = target;
    this.#wantsCertificate = wantsCertificate;
    this.#gate = gate;
    this.#callback = callback;
    if (isIP(target.host)) {
      this.#connect([target.host]);
      return;
    }
    names.resolve(target.host).then(
      (addresses) => {
        this.timings.dns = seconds(this.#phaseAt);
        this.#connect(addresses);
      },
      (error) => this.#fail(toFailure(error, 'dns')),
    );
  }

  get phase(): Phase {
    return this.#phase;
  }

  stop(failure: ProbeFailure): void {
    this.#fail(failure);
  }

  #connect(addresses: readonly string[]): void {
    if (this.#isDone) return;
    // All are asked for first: a name with one inner address among public ones is a trap.
    for (const address of addresses) {
      const refusal = this.#gate.refusal(address);
      if (refusal !== null) {
        this.#fail(new ProbeFailure('forbidden_address', refusal));
        return;
      }
    }
    this.#addresses = addresses.slice(0, MAX_ADDRESSES);
    this.#tryNext();
  }

  #tryNext(): void {
    const address = this.#addresses[this.#next++]!;
    const { port, tls } = this.#target;
    this.#phase = 'connect';
    this.#phaseAt = performance.now();
    let socket: Socket;
    try {
      socket = tls ? this.#tlsSocket(address, tls) : tcpConnect({ host: address, port });
    } catch (error) {
      this.#fail(toFailure(error, tls ? 'tls' : 'connect'));
      return;
    }
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('error', this.#onError).on('close', this.#onClose).on('connect', this.#onConnect);
    if (this.#next < this.#addresses.length) {
      // An address that swallows packets must not use up the time of the others.
      this.#patience = setTimeout(() => this.#giveUp(address), PATIENCE_MS);
    }
  }

  readonly #onConnect = (): void => {
    clearTimeout(this.#patience);
    this.timings.connect = seconds(this.#phaseAt);
    if (!this.#target.tls) {
      this.#ready();
      return;
    }
    this.#phase = 'tls';
    this.#phaseAt = performance.now();
    this.#socket!.on('secureConnect', this.#onSecure);
  };

  readonly #onSecure = (): void => {
    this.timings.tls = seconds(this.#phaseAt);
    this.#ready();
  };

  readonly #onError = (error: Error): void => {
    const failure = toFailure(error, this.#phase);
    const hasMore = this.#phase === 'connect' && this.#next < this.#addresses.length;
    if (!hasMore || this.#isDone) {
      this.#fail(failure);
      return;
    }
    this.#release();
    this.#tryNext();
  };

  readonly #onClose = (): void => {
    const during = this.#phase === 'tls' ? 'during the TLS handshake' : 'at once';
    this.#fail(new ProbeFailure(this.#phase === 'tls' ? 'tls' : 'connect', `connection closed ${during}`));
  };

  #giveUp(address: string): void {
    if (this.#isDone || this.#phase !== 'connect') return;
    this.#onError(new Error(`${address} did not answer within ${PATIENCE_MS} ms`));
  }

  #tlsSocket(address: string, tls: TlsChoice): TLSSocket {
    const name = (tls.serverName ?? this.#target.host).replace(/\.$/, '');
    return tlsConnect({
      host: address,
      port: this.#target.port,
      // An address is no server name (RFC 6066); the certificate is compared with `host` then.
      servername: isIP(name) ? '' : name,
      secureContext: secureContextOf(tls),
      ALPNProtocols: ['http/1.1'],
      rejectUnauthorized: tls.verify,
    });
  }

  #ready(): void {
    const socket = this.#socket!;
    const remoteAddress = socket.remoteAddress ?? this.#addresses[this.#next - 1]!;
    const refusal = this.#gate.refusal(remoteAddress);
    if (refusal !== null) {
      this.#fail(new ProbeFailure('forbidden_address', refusal));
      return;
    }
    this.#isDone = true;
    const certificate = this.#wantsCertificate ? certificateFacts(socket, Date.now()) : null;
    this.#callback(null, { socket, timings: this.timings, remoteAddress, certificate });
    // The new owner has its own listeners by now.
    this.#unlisten(socket);
  }

  #fail(failure: ProbeFailure): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#release();
    this.#callback(failure, null);
  }

  /** Gives the socket of the present address up. */
  #release(): void {
    clearTimeout(this.#patience);
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    this.#unlisten(socket);
    // A late error of a socket that was given up is nobody's.
    socket.on('error', ignore);
    socket.destroy();
  }

  #unlisten(socket: Socket): void {
    socket.off('error', this.#onError).off('close', this.#onClose).off('connect', this.#onConnect);
    if (this.#target.tls) socket.off('secureConnect', this.#onSecure);
  }
}

const PATIENCE_MS = 2_000;
const ignore = () => {};

/** Since `sinceMs` of performance.now(), rounded to microseconds. */
export function seconds(sinceMs: number): number {
  return Math.round((performance.now() - sinceMs) * 1000) / 1e6;
}
