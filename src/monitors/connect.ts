import { isIP, type Socket, connect as tcpConnect } from 'node:net';
import {
  type ConnectionOptions,
  checkServerIdentity,
  type PeerCertificate,
  type TLSSocket,
  connect as tlsConnect,
} from 'node:tls';
import type { Timings } from '../messages/check-result.ts';
import { type Phase, ProbeFailure, toFailure } from './failure.ts';
import type { ConnectionGate } from './monitor.ts';
import type { NameResolver } from './resolver.ts';

export interface ConnectRequest {
  hostname: string;
  port: number;
  /** null: no TLS. */
  tls: TlsChoice | null;
  signal: AbortSignal;
}

export interface TlsChoice {
  verify: boolean;
  serverName?: string;
  ca?: string;
  cert?: string;
  key?: string;
}

export interface Connection {
  socket: Socket;
  timings: Timings;
  remoteAddress: string;
  /** Wall time (monotonic ms) at which the connection was ready for a request. */
  readyAt: number;
}

/** Addresses of one host that are tried at most. */
const MAX_ADDRESSES = 4;

/**
 * Resolves, passes the gate, connects and shakes hands, timing each phase. Addresses are tried one after the other.
 * Rejects with a ProbeFailure; when `signal` aborts, with its reason. Leaves no socket open then.
 */
export async function openConnection(
  request: ConnectRequest,
  resolver: NameResolver,
  gate: ConnectionGate,
): Promise<Connection> {
  const { hostname, signal } = request;
  const timings: Timings = {};
  const begunAt = performance.now();
  const host = hostname.replace(/^\[|\]$/g, '');
  let addresses: readonly string[] = [host];
  if (!isIP(host)) {
    addresses = await aborted(signal, resolver.resolve(host)).catch((error) => {
      throw signal.aborted ? error : toFailure(error, 'dns');
    });
    timings.dns = seconds(begunAt);
  }
  // All are checked first: a name with one inner address among public ones is a trap.
  for (const address of addresses) refuseInternal(gate, address);

  let failure: ProbeFailure | undefined;
  for (const address of addresses.slice(0, MAX_ADDRESSES)) {
    try {
      const socket = await connectTo(address, host, request, timings);
      const remoteAddress = socket.remoteAddress ?? address;
      const refusal = gate.refusal(remoteAddress);
      if (refusal === null) return { socket, timings, remoteAddress, readyAt: performance.now() };
      socket.destroy();
      throw new ProbeFailure('forbidden_address', refusal);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      failure = error as ProbeFailure;
      if (failure.reason !== 'connect') break;
    }
  }
  throw failure as ProbeFailure;
}

function refuseInternal(gate: ConnectionGate, address: string): void {
  const refusal = gate.refusal(address);
  if (refusal !== null) throw new ProbeFailure('forbidden_address', refusal);
}

function connectTo(address: string, host: string, request: ConnectRequest, timings: Timings): Promise<Socket> {
  const { port, tls, signal } = request;
  return new Promise((resolve, reject) => {
    const begunAt = performance.now();
    let phase: Phase = 'connect';
    const socket = tls ? tlsConnect(tlsOptions(address, port, host, tls)) : tcpConnect({ host: address, port });
    socket.setNoDelay(true);
    const settle = () => {
      signal.removeEventListener('abort', onAbort);
      socket.off('error', onError).off('close', onClose);
    };
    const fail = (error: unknown) => {
      settle();
      // A late error of a socket that was given up is nobody's.
      socket.on('error', () => {});
      socket.destroy();
      reject(error);
    };
    const onAbort = () => fail(signal.reason);
    const onError = (error: unknown) => fail(toFailure(error, phase));
    const onClose = () => fail(new ProbeFailure(phase === 'tls' ? 'tls' : 'connect', 'connection closed by the peer'));
    const ready = () => {
      settle();
      resolve(socket);
    };
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    socket.on('error', onError).on('close', onClose);
    socket.once('connect', () => {
      timings.connect = seconds(begunAt);
      if (!tls) return ready();
      phase = 'tls';
      const shakingSince = performance.now();
      socket.once('secureConnect', () => {
        timings.tls = seconds(shakingSince);
        ready();
      });
    });
  });
}

function tlsOptions(address: string, port: number, host: string, tls: TlsChoice): ConnectionOptions {
  const name = tls.serverName ?? host;
  return {
    host: address,
    port,
    // An address is no server name (RFC 6066), but it is what the certificate must be valid for.
    servername: isIP(name) ? '' : name,
    ...(isIP(name) && tls.verify
      ? { checkServerIdentity: (_: string, certificate: PeerCertificate) => checkServerIdentity(name, certificate) }
      : {}),
    ALPNProtocols: ['http/1.1'],
    rejectUnauthorized: tls.verify,
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
  };
}

/** Rejects with the signal's reason as soon as it aborts. */
function aborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

export function seconds(sinceMs: number): number {
  return Math.round((performance.now() - sinceMs) * 1000) / 1e6;
}

/** Days until the peer's certificate expires, with its dates; null without one. */
export function certificateFacts(
  socket: Socket,
): { subject: string; issuer: string; validTo: string; daysLeft: number } | null {
  const certificate = (socket as TLSSocket).getPeerCertificate?.();
  if (!certificate?.valid_to) return null;
  const validTo = new Date(certificate.valid_to);
  return {
    subject: String(certificate.subject?.CN ?? ''),
    issuer: String(certificate.issuer?.CN ?? certificate.issuer?.O ?? ''),
    validTo: validTo.toISOString(),
    daysLeft: Math.floor((validTo.getTime() - Date.now()) / 86_400_000),
  };
}
