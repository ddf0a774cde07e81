import { isIP, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Timings } from '../../messages/check-result.ts';
import { type Phase, ProbeFailure, toFailure } from '../failure.ts';
import type { ConnectionGate, IpVersion, NameResolver } from '../monitor.ts';
import { Attempt, type AttemptEvents } from './attempt.ts';
import { type CertificateFacts, certificateFacts } from './certificate.ts';
import type { TlsMaterial } from './tls-contexts.ts';
import { total } from './total.ts';

export interface ConnectTarget {
  /** A name or an address, without brackets. */
  host: string;
  port: number;
  /** null: no TLS. */
  tls: TlsChoice | null;
  /** Only addresses of this version are connected to; without it, of both. */
  ipVersion?: IpVersion;
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
  /** The peer has asked for a client certificate and the job has none: with TLS 1.3 it refuses after the handshake. */
  lacksClientCertificate: boolean;
}

/** Must not throw. */
export type ConnectCallback = (failure: ProbeFailure | null, connection: Connection | null) => void;

/** Addresses of one host that are tried at most: an answer may have thousands. */
const MAX_ADDRESSES = 64;
/** The next address is tried when one has not answered for so long (Connection Attempt Delay of RFC 8305). */
const ATTEMPT_DELAY_MS = 250;
/** Nothing was found out about the host: this machine has no way to the address. */
const UNREACHABLE = /^(connect )?(ENETUNREACH|EHOSTUNREACH|EADDRNOTAVAIL|EAFNOSUPPORT)\b/;

/**
 * Opens one connection: looks the name up, asks the gate, connects and shakes hands, timing each phase. Addresses are
 * tried in their order, each a moment after the one before, until the first is connected (RFC 8305); it is the one that
 * is timed. Calls back once; after a failure or a stop no socket of it is left open.
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
  readonly #underWay = new Set<Attempt>();
  readonly #failures: ProbeFailure[] = [];
  #nextTimer: NodeJS.Timeout | undefined;
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
    if (isNumeric(target.host)) {
      this.#fail(new ProbeFailure('dns', `EBADNAME: ${target.host} is neither a name nor an address`));
      return;
    }
    names.resolve(target.host, target.ipVersion).then(
      total((addresses) => {
        this.timings.dns = seconds(this.#phaseAt);
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
    // All are asked for first: a name with one inner address among public ones is a trap.
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
      // The address is good, so it is the TLS material, which is the same for all.
      this.#fail(toFailure(error, this.#target.tls ? 'tls' : 'connect'));
      return;
    }
    if (this.#next < this.#addresses.length) this.#nextTimer = setTimeout(this.#tryNext, ATTEMPT_DELAY_MS);
  };

  readonly #events: AttemptEvents = {
    onConnected: (attempt) => {
      this.timings.connect = seconds(attempt.startedAt);
      this.#underWay.delete(attempt);
      this.#release();
      this.#underWay.add(attempt);
      // Before the handshake: not a byte is sent where nothing may be sent.
      if (this.#isRefused(attempt.socket.remoteAddress ?? attempt.address)) return;
      if (!this.#target.tls) {
        this.#ready(attempt);
        return;
      }
      this.#phase = 'tls';
      this.#phaseAt = performance.now();
    },
    onSecured: (attempt) => {
      this.timings.tls = seconds(this.#phaseAt);
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

  /** Of all addresses, the first that says something about the host; later phases speak for themselves. */
  #worstOf(last: ProbeFailure): ProbeFailure {
    if (last.reason !== 'connect') return last;
    const told = this.#failures.find(({ message }) => !UNREACHABLE.test(message)) ?? this.#failures[0]!;
    const others = this.#failures.length - 1;
    if (others === 0) return told;
    return new ProbeFailure('connect', `${told.message} (none of ${others + 1} addresses can be reached)`);
  }

  #ready(attempt: Attempt): void {
    const { socket, address } = attempt;
    const connection: Connection = {
      socket,
      timings: this.timings,
      remoteAddress: socket.remoteAddress ?? address,
      certificate: this.#wantsCertificate ? certificateFacts(socket, Date.now(), this.#target.tls?.ca) : null,
      lacksClientCertificate: this.#target.tls?.cert === undefined && wantsClientCertificate(socket),
    };
    this.#isDone = true;
    this.#underWay.clear();
    this.#callback(null, connection);
    // The new owner has its own listeners by now.
    attempt.release();
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

  /** Gives up the sockets of all attempts under way. */
  #release(): void {
    clearTimeout(this.#nextTimer);
    for (const attempt of this.#underWay) attempt.destroy();
    this.#underWay.clear();
  }
}

/** `127.1`, `0x7f.1`, `2130706433`: what libraries read as an address each in its own way. No name ends with a number. */
function isNumeric(host: string): boolean {
  return /(^|\.)(\d+|0x[0-9a-f]*)\.?$/i.test(host);
}

/** Only who is asked for a certificate is told what signatures the peer takes. */
function wantsClientCertificate(socket: Socket): boolean {
  return socket instanceof TLSSocket && socket.getProtocol() === 'TLSv1.3' && socket.getSharedSigalgs().length > 0;
}

/** What a connection that broke before a response stands for: with TLS 1.3 a client is refused after its handshake. */
export function afterHandshake(failure: ProbeFailure, { lacksClientCertificate }: Connection): ProbeFailure {
  if (failure.reason !== 'connect' || !lacksClientCertificate) return failure;
  return new ProbeFailure('tls', 'the site asks for a client certificate, and the job has none (tls.cert, tls.key)');
}

/** Since `sinceMs` of performance.now(), rounded to microseconds. */
export function seconds(sinceMs: number): number {
  return Math.round((performance.now() - sinceMs) * 1000) / 1e6;
}
