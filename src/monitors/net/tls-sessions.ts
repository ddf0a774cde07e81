import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { ProbeFailure } from '../failure.ts';
import { adoptPeer, chainEndMs, peerCertificate } from './certificate.ts';
import type { ConnectTarget } from './dial.ts';
import { total } from './total.ts';

/** Abbreviated handshakes rely on it: in them a server neither shows a certificate nor proves that it has its key. */
interface FullHandshake {
  readonly address: string;
  /** ms since the epoch, and by the clock that is never set. */
  readonly at: { wall: number; monotonic: number };
  readonly certificate: X509Certificate;
  readonly isTrusted: boolean;
  /** When the first certificate of its chain expires, ms since the epoch; null: unknown, nothing relies on it. */
  readonly endMs: number | null;
  /** From the newest ticket, with a certificate: Node.js leaves those above 10 kB out. null: none has come. */
  session: Buffer | null;
}

/** Redirects may lead to any number of hosts. */
const MAX_HOSTS = 4;
/** Servers send two, or some after a while; each of a flood would cost a copy of the certificate. */
const MAX_TICKETS = 64;

/**
 * TLS sessions of the hosts of one job. All connections to a host have the same TLS options. A session is offered to the
 * address that it came from, until the last full handshake is too old or its certificate has expired.
 */
export class TlsSessions {
  readonly #maxAgeMs: number;
  readonly #handshakes = new Map<string, FullHandshake>();
  readonly #bySocket = new WeakMap<Socket, FullHandshake>();

  constructor(maxAgeMs: number) {
    this.#maxAgeMs = maxAgeMs;
  }

  /** Prepares the handshake of one connection. */
  begin(address: string, target: ConnectTarget): Resumption {
    const name = `${target.host}\n${target.port}\n${target.tls?.serverName ?? ''}`;
    const known = this.#handshakes.get(name);
    const offered = known && known.address === address && this.#isReliable(known) ? known : null;
    return new Resumption(offered, {
      onFull: (socket) => this.#add(name, address, target, socket),
      onSecured: (socket, handshake) => this.#bySocket.set(socket, handshake),
    });
  }

  /** Whether the full handshake that an open connection relies on is too old. */
  isOutdated(socket: Socket): boolean {
    const handshake = this.#bySocket.get(socket);
    return handshake !== undefined && !this.#isYoung(handshake);
  }

  /** Makes the next handshakes full. */
  clear(): void {
    this.#handshakes.clear();
  }

  #add(name: string, address: string, { tls }: ConnectTarget, socket: TLSSocket): FullHandshake | null {
    this.#handshakes.delete(name);
    const certificate = peerCertificate(socket);
    if (certificate === undefined) return null;
    const at = { wall: Date.now(), monotonic: performance.now() };
    const handshake: FullHandshake = {
      ...{ address, at, certificate, isTrusted: socket.authorized, session: null },
      endMs: chainEndMs(certificate, at.wall, tls?.ca),
    };
    if (this.#handshakes.size >= MAX_HOSTS) this.#handshakes.delete(this.#handshakes.keys().next().value as string);
    this.#handshakes.set(name, handshake);
    return handshake;
  }

  #isReliable(handshake: FullHandshake): boolean {
    return this.#isYoung(handshake) && handshake.endMs !== null && Date.now() < handshake.endMs;
  }

  #isYoung({ at }: FullHandshake): boolean {
    const wallMs = Date.now() - at.wall;
    // A clock that was set back proves nothing; one that is never set may stand still while the machine sleeps.
    return wallMs >= 0 && wallMs < this.#maxAgeMs && performance.now() - at.monotonic < this.#maxAgeMs;
  }
}

interface ResumptionEvents {
  /** Returns what later handshakes may rely on; null: nothing. */
  onFull(socket: TLSSocket): FullHandshake | null;
  onSecured(socket: TLSSocket, handshake: FullHandshake): void;
}

/** The handshake of one connection: full, or by an earlier one if the server takes its session. */
export class Resumption {
  readonly #offered: FullHandshake | null;
  readonly #events: ResumptionEvents;
  #handshake: FullHandshake | null = null;
  #tickets = 0;

  constructor(offered: FullHandshake | null, events: ResumptionEvents) {
    this.#offered = offered;
    this.#events = events;
  }

  /** For `connect` of node:tls. */
  get options(): { session?: Buffer } {
    const session = this.#offered?.session ?? null;
    return session === null ? {} : { session };
  }

  /** Takes the tickets of the connection as long as it is open. TLS 1.3 sends them after the handshake. */
  watch(socket: TLSSocket): void {
    const take = (session: Buffer) => {
      this.#tickets++;
      if (this.#tickets > MAX_TICKETS) throw new ProbeFailure('tls', `more than ${MAX_TICKETS} session tickets`);
      if (this.#handshake) this.#handshake.session = session;
    };
    socket.on(
      'session',
      total(take, (failure) => socket.destroy(failure)),
    );
  }

  /**
   * Called when the handshake is done. Returns whether it was abbreviated: then the certificate of the full one is that of
   * the connection, as Node.js has neither its chain nor what became of the verification.
   */
  adopt(socket: TLSSocket): boolean {
    if (!socket.isSessionReused()) return false;
    if (this.#offered === null) throw new ProbeFailure('tls', 'the server resumed a session that was not offered');
    adoptPeer(socket, this.#offered.certificate);
    socket.authorized = this.#offered.isTrusted;
    this.#handshake = this.#offered;
    return true;
  }

  /** Called after adopt, when the certificate is accepted. */
  accept(socket: TLSSocket): void {
    this.#handshake ??= this.#events.onFull(socket);
    if (this.#handshake) this.#events.onSecured(socket, this.#handshake);
  }
}
