import type { X509Certificate } from 'node:crypto';
import { isIP, type Socket, connect as tcpConnect } from 'node:net';
import { checkServerIdentity, TLSSocket, connect as tlsConnect } from 'node:tls';
import { ProbeFailure, toDefect, toFailure } from '../failure.ts';
import { peerCertificate, pinFault } from './certificate.ts';
import type { ConnectTarget, TlsChoice } from './dial.ts';
import { secureContextOf } from './tls-contexts.ts';
import type { Resumption } from './tls-sessions.ts';
import { total } from './total.ts';

/** Events of an attempt. Each is called at most once, and none after onFailed. */
export interface AttemptEvents {
  onConnected(attempt: Attempt): void;
  /** Only with TLS, after onConnected. */
  onSecured(attempt: Attempt): void;
  onFailed(attempt: Attempt, failure: ProbeFailure): void;
}

/** One socket to one address, until it is connected and its handshake is done. */
export class Attempt {
  readonly address: string;
  readonly startedAt = performance.now();
  readonly socket: Socket;
  readonly #target: ConnectTarget;
  readonly #events: AttemptEvents;
  readonly #resumption: Resumption | undefined;
  /** Whether the handshake was abbreviated. */
  isResumed = false;
  #isConnected = false;
  #isOver = false;

  /**
   * Throws if no socket can be created: the address or the TLS material is invalid. With a `tunnel`, which is connected
   * already, the attempt is its handshake alone.
   */
  constructor(address: string, target: ConnectTarget, events: AttemptEvents, tunnel?: Socket) {
    this.address = address;
    this.#target = target;
    this.#events = events;
    const { port, tls } = target;
    this.#isConnected = tunnel !== undefined;
    this.#resumption = tls?.sessions?.begin(address, target);
    this.socket = tls
      ? tlsSocket(address, target, tls, this.#resumption, tunnel)
      : tcpConnect({ host: address, port, noDelay: true });
    this.socket.on('error', this.#onError).on('close', this.#onClose).on('connect', this.#onConnect);
    if (tls) this.socket.setNoDelay(true).on('secureConnect', this.#onSecure);
  }

  /** Hands the socket over to an owner with its own listeners. */
  release(): void {
    this.#isOver = true;
    this.#unlisten();
  }

  /** Abandons and destroys the socket. */
  destroy(): void {
    this.release();
    // Late errors of an abandoned socket are ignored.
    this.socket.on('error', ignore);
    this.socket.destroy();
  }

  readonly #fail = (failure: ProbeFailure): void => {
    if (this.#isOver) return;
    this.destroy();
    this.#events.onFailed(this, failure);
  };

  readonly #onConnect = total(() => {
    this.#isConnected = true;
    this.#events.onConnected(this);
  }, this.#fail);

  readonly #onSecure = total(() => {
    const socket = this.socket as TLSSocket;
    this.isResumed = this.#resumption?.adopt(socket) ?? false;
    const pins = this.#target.tls?.pins;
    const fault = pins === undefined ? null : pinFault(socket, pins);
    if (fault !== null) {
      this.#fail(new ProbeFailure('tls', fault));
      return;
    }
    this.#events.onSecured(this);
    this.#resumption?.accept(socket);
  }, this.#fail);

  readonly #onError = total((error: Error) => this.#fail(toFailure(error, this.#phase)), this.#fail);

  readonly #onClose = total(() => {
    const during = this.#phase === 'tls' ? 'during the TLS handshake' : 'at once';
    this.#fail(toFailure(new Error(`connection closed ${during}`), this.#phase));
  }, this.#fail);

  get #phase(): 'connect' | 'tls' {
    return this.#isConnected && this.#target.tls ? 'tls' : 'connect';
  }

  #unlisten(): void {
    const { socket } = this;
    socket.off('error', this.#onError).off('close', this.#onClose).off('connect', this.#onConnect);
    if (this.#target.tls) socket.off('secureConnect', this.#onSecure);
  }
}

function tlsSocket(
  address: string,
  { host, port }: ConnectTarget,
  tls: TlsChoice,
  resumption: Resumption | undefined,
  tunnel?: Socket,
): TLSSocket {
  const name = (tls.serverName ?? host).replace(/\.$/, '');
  const socket: TLSSocket = tlsConnect({
    host: address,
    port,
    // Undefined is none.
    socket: tunnel as Socket,
    // An address is not a server name (RFC 6066); the certificate is compared with `host` then.
    servername: isIP(name) ? '' : name,
    secureContext: secureContextOf(tls),
    ...(tls.alpn === undefined ? {} : { ALPNProtocols: [...tls.alpn] }),
    rejectUnauthorized: tls.verify,
    checkServerIdentity: (name) => identityFault(socket, name),
    ...resumption?.options,
  });
  resumption?.watch(socket);
  // Node.js would make objects of the whole chain for checkServerIdentity, which costs a quarter of a handshake.
  socket.getPeerCertificate = noObjects;
  return socket;
}

/** Called by Node.js within the handshake, where nothing may be thrown. */
function identityFault(socket: TLSSocket, name: string): Error | undefined {
  try {
    // Not deleted: V8 would make a dictionary of the socket.
    socket.getPeerCertificate = TLSSocket.prototype.getPeerCertificate;
    const certificate = peerCertificate(socket);
    if (certificate === undefined) return new Error('the certificate cannot be read');
    return isIssuedTo(certificate, name) ? undefined : checkServerIdentity(name, certificate.toLegacyObject());
  } catch (error) {
    return toDefect(error);
  }
}

const noObjects = (() => ({})) as TLSSocket['getPeerCertificate'];

/** Stricter than checkServerIdentity, which decides about the others: alternative names only, wildcards of whole labels. */
function isIssuedTo(certificate: X509Certificate, name: string): boolean {
  if (isIP(name)) return certificate.checkIP(name) !== undefined;
  return certificate.checkHost(name, { subject: 'never', partialWildcards: false }) !== undefined;
}

const ignore = () => {};
