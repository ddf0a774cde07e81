import { isIP, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Timings } from '../../messages/check-result.ts';
import { type Phase, ProbeFailure, toFailure } from '../failure.ts';
import type { ConnectionGate, IpVersion, NameResolver } from '../monitor.ts';
import { Attempt, type AttemptEvents } from './attempt.ts';
import { type CertificateFacts, certificateFacts } from './certificate.ts';
import type { TimeLimit } from './time-limit.ts';
import type { TlsMaterial } from './tls-contexts.ts';
import type { TlsSessions } from './tls-sessions.ts';
import { total } from './total.ts';

export interface ConnectTarget {
  /** A name or an address, without brackets. */
  host: string;
  port: number;
  /** null: no TLS. */
  tls: TlsChoice | null;
  /** Restricts connections to addresses of this version. */
  ipVersion?: IpVersion;
}

export interface TlsChoice extends TlsMaterial {
  verify: boolean;
  /** `sha256/` and base64: the only public keys that are accepted. */
  pins?: readonly string[];
  /** Sent as SNI and expected in the certificate, instead of the host. */
  serverName?: string;
  /** Sessions that may be resumed. */
  sessions?: TlsSessions;
  /** Protocols to offer, in order of preference (ALPN); none by default. */
  alpn?: readonly string[];
}

export interface Connection {
  socket: Socket;
  /** dns, connect, and tls or tls_resumed. */
  timings: Timings;
  /** How long the host took for all of them, in ms; addresses that were tried in vain included. */
  tookMs: number;
  remoteAddress: string;
  /** null without TLS, and if it was not requested. */
  certificate: CertificateFacts | null;
  /**
   * Whether the peer requested a client certificate that the job does not have: with TLS 1.3 it refuses after the
   * handshake.
   */
  lacksClientCertificate: boolean;
}

/** Must not throw. */
export type ConnectCallback = (
  ...result: [failure: ProbeFailure, connection: null] | [failure: null, connection: Connection]
) => void;

/** Limit of the addresses of one host that are tried: a DNS response may have thousands. */
const MAX_ADDRESSES = 64;
/** Delay before the next address is tried (Connection Attempt Delay of RFC 8305). */
const ATTEMPT_DELAY_MS = 250;
/** Errors that say nothing about the host: this machine has no route to the address. */
const UNREACHABLE = /^(connect )?(ENETUNREACH|EHOSTUNREACH|EADDRNOTAVAIL|EAFNOSUPPORT)\b/;

/**
 * Opens one connection: resolves the name, asks the gate, connects and performs the handshake, timing each phase.
 * Addresses are tried in order, each a moment after the previous one, until one is connected (RFC 8305); only that one
 * is timed. Calls back once; after a failure or a stop no socket is left open.
 */
export class Dial {
  readonly #target: ConnectTarget;
  readonly #wantsCertificate: boolean;
  readonly #gate: ConnectionGate;
  readonly #limit: TimeLimit;
  readonly #callback: ConnectCallback;
  /** Timings of the finished phases. */
  readonly timings: Timings = {};
  #phase: Phase = 'dns';
  #phaseAt = performance.now();
  #tookMs = 0;
  #addresses: readonly string[] = [];
  #next = 0;
  readonly #underWay = new Set<Attempt>();
  readonly #failures: ProbeFailure[] = [];
  #nextTimer: NodeJS.Timeout | undefined;
  #isDone = false;

  constructor(
    target: ConnectTarget,
    wantsCertificate: boolean,
    { names, gate }: { names: NameResolver; gate: ConnectionGate },
    limit: TimeLimit,
    callback: ConnectCallback,
  ) {
    this.#target = target;
    this.#wantsCertificate = wantsCertificate;
    this.#gate = gate;
    this.#limit = limit;
    this.#callback = callback;
    if (isIP(target.host)) {
      this.#connect([target.host]);
      return;
    }
    if (isNumeric(target.host)) {
      this.#fail(new ProbeFailure('dns', `EBADNAME: ${target.host} is neither a name nor an address`));
      return;
    }
    names.resolve(target.host, target.ipVersion).then(
      total((addresses) => {
        this.timings.dns = toSeconds(
          this.#took(isCached(this.#phaseAt) ? performance.now() : limit.eventAt(this.#phaseAt)),
        );
        this.#connect(addresses);
      }, this.#onDefect),
      (error) => this.#fail(toFailure(error, 'dns')),
    );
  }

  get phase(): Phase {
    return this.#phase;
  }

  stop(failure: ProbeFailure): void {
    this.#fail(failure);
  }

  #connect(found: readonly string[]): void {
    if (this.#isDone) return;
    const { ipVersion } = this.#target;
    const addresses = ipVersion === undefined ? found : found.filter((address) => isIP(address) === ipVersion);
    if (addresses.length === 0) {
      const kind = ipVersion === undefined ? 'address' : `IPv${ipVersion} address`;
      this.#fail(new ProbeFailure('dns', `ENODATA: the name has no ${kind}`));
      return;
    }
    // All addresses are checked first: a name with one internal address among public ones is a trap.
    for (const address of addresses) if (this.#isRefused(address)) return;
    this.#addresses = addresses.slice(0, MAX_ADDRESSES);
    this.#phase = 'connect';
    this.#phaseAt = performance.now();
    this.#tryNext();
  }

  readonly #tryNext = (): void => {
    clearTimeout(this.#nextTimer);
    const address = this.#addresses[this.#next++];
    if (this.#isDone || address === undefined) return;
    try {
      this.#underWay.add(new Attempt(address, this.#target, this.#events));
    } catch (error) {
      // The address is valid, so the TLS material is not, and it is the same for all addresses.
      this.#fail(toFailure(error, this.#target.tls ? 'tls' : 'connect'));
      return;
    }
    if (this.#next < this.#addresses.length) this.#nextTimer = setTimeout(this.#tryNext, ATTEMPT_DELAY_MS);
  };

  readonly #events: AttemptEvents = {
    onConnected: (attempt) => {
      const connectedAt = this.#limit.eventAt(attempt.startedAt);
      this.timings.connect = toSeconds(connectedAt - attempt.startedAt);
      this.#took(connectedAt);
      this.#underWay.delete(attempt);
      this.#release();
      this.#underWay.add(attempt);
      // Before the handshake, so that not a byte is sent to a forbidden address.
      if (this.#isRefused(attempt.socket.remoteAddress ?? attempt.address)) return;
      if (!this.#target.tls) {
        this.#ready(attempt);
        return;
      }
      this.#phase = 'tls';
      this.#phaseAt = performance.now();
    },
    onSecured: (attempt) => {
      const tookMs = this.#took(this.#limit.eventAt(this.#phaseAt));
      this.timings[attempt.isResumed ? 'tls_resumed' : 'tls'] = toSeconds(tookMs);
      this.#ready(attempt);
    },
    onFailed: (attempt, failure) => {
      this.#underWay.delete(attempt);
      this.#failures.push(failure);
      const isLast = this.#next >= this.#addresses.length;
      if (this.#phase !== 'connect' || failure.reason !== 'connect' || (isLast && this.#underWay.size === 0)) {
        this.#fail(this.#worstOf(failure));
      } else if (!isLast) this.#tryNext();
    },
  };

  /**
   * Returns the first failure that says something about the host; failures of later phases are returned as they are.
   */
  #worstOf(last: ProbeFailure): ProbeFailure {
    if (last.reason !== 'connect') return last;
    const told = this.#failures.find(({ message }) => !UNREACHABLE.test(message)) ?? last;
    const others = this.#failures.length - 1;
    if (others === 0) return told;
    return new ProbeFailure('connect', `${told.message} (none of ${others + 1} addresses can be reached)`);
  }

  #ready(attempt: Attempt): void {
    const { socket, address } = attempt;
    const connection: Connection = {
      socket,
      timings: this.timings,
      tookMs: this.#tookMs,
      remoteAddress: socket.remoteAddress ?? address,
      certificate: this.#wantsCertificate ? certificateFacts(socket, Date.now(), this.#target.tls?.ca) : null,
      lacksClientCertificate: this.#target.tls?.cert === undefined && wantsClientCertificate(socket),
    };
    this.#isDone = true;
    this.#underWay.clear();
    this.#callback(null, connection);
    // The new owner has attached its listeners.
    attempt.release();
  }

  /** Adds the time from the start of the phase to its end, in ms, and returns it. */
  #took(endedAt: number): number {
    const ms = Math.max(0, endedAt - this.#phaseAt);
    this.#tookMs += ms;
    return ms;
  }

  /** Fails when the gate refuses the address. */
  #isRefused(address: string): boolean {
    const refusal = this.#gate.refusal(address);
    if (refusal !== null) this.#fail(new ProbeFailure('forbidden_address', refusal));
    return refusal !== null;
  }

  readonly #onDefect = (failure: ProbeFailure): void => this.#fail(failure);

  #fail(failure: ProbeFailure): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#release();
    this.#callback(failure, null);
  }

  /** Destroys the sockets of all pending attempts. */
  #release(): void {
    clearTimeout(this.#nextTimer);
    for (const attempt of this.#underWay) attempt.destroy();
    this.#underWay.clear();
  }
}

/**
 * `127.1`, `0x7f.1`, `2130706433`: libraries interpret such texts as different addresses. No valid name ends with a
 * number.
 */
function isNumeric(host: string): boolean {
  return /(^|\.)(\d+|0x[0-9a-f]*)\.?$/i.test(host);
}

/** A server sends its signature algorithms to a client only with a certificate request. */
export function wantsClientCertificate(socket: Socket): boolean {
  return socket instanceof TLSSocket && socket.getProtocol() === 'TLSv1.3' && socket.getSharedSigalgs().length > 0;
}

/** Interprets a connection that broke before a response: with TLS 1.3 a client is refused after its handshake. */
export function afterHandshake(failure: ProbeFailure, { lacksClientCertificate }: Connection): ProbeFailure {
  if (failure.reason !== 'connect' || !lacksClientCertificate) return failure;
  return new ProbeFailure('tls', 'the site asks for a client certificate, and the job has none (tls.cert, tls.key)');
}

/** An answer of the cache comes at once, not with an event of the loop. */
function isCached(askedAt: number): boolean {
  return performance.now() - askedAt < 0.2;
}

/** Rounds to microseconds. An estimate may lie before the start of its phase, by its error. */
export function toSeconds(ms: number): number {
  return Math.max(0, Math.round(ms * 1000) / 1e6);
}
