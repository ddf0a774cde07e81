import { isIP } from 'node:net';
import { ProbeFailure, toFailure } from '../failure.ts';
import { type ConnectTarget, toSeconds } from '../net/dial.ts';
import type { SocksProxy } from '../net/socks-tunnel.ts';
import { Conversation, type ConverseOptions, converse } from '../net/trial/conversation.ts';

/** A connection through a proxy. */
export interface TunnelPlan {
  proxy: ConnectTarget & SocksProxy;
  destination: { host: string; port: number };
  /** Whether a name of the destination is resolved here, rather than by the proxy. */
  isResolvedHere: boolean;
}

/**
 * Connects to the destination through the proxy, and returns a conversation with it. How long the proxy takes to get there is
 * `ttfb`. Throws a ProbeFailure; then nothing is left open.
 */
export async function openTunnel(plan: TunnelPlan, how: ConverseOptions): Promise<Conversation> {
  const { trial } = how;
  const { limit } = trial;
  // The package is loaded with the first check of the type, before anything waits for it.
  const { openSocksTunnel } = await import('../net/socks-tunnel.ts');
  const destination = { ...plan.destination, host: await addressOf(plan, how) };
  const lookupSeconds = trial.timings.dns;
  const { conversation, connection } = await converse(plan.proxy, how);
  if (lookupSeconds !== undefined && trial.timings.dns !== lookupSeconds) {
    trial.timings.dns = (trial.timings.dns ?? 0) + lookupSeconds;
  }
  const hasSpoken = conversation.hasUnread;
  const socket = conversation.release();
  // Others listen for errors, too; one that comes between them must not end the process.
  socket.on('error', ignore);
  try {
    if (hasSpoken) throw new ProbeFailure('protocol', 'it speaks before it is asked, which no SOCKS proxy does');
    if (socket.destroyed) throw new ProbeFailure('connect', 'connection closed at once');
    limit.activity = 'answer of the proxy';
    const begunAt = performance.now();
    // Longer than the limit, which has reasons of its own to give.
    await limit.race(openSocksTunnel(socket, plan.proxy, destination, 2 * limit.timeoutMs));
    const tookMs = Math.max(0, limit.eventAt(begunAt) - begunAt);
    trial.tookMs += tookMs;
    trial.timings.ttfb = toSeconds(tookMs);
    trial.status = 'OK';
    return new Conversation(connection, trial, how.maxBytes);
  } catch (error) {
    socket.destroy();
    throw failureOf(error, how);
  }
}

/** Returns the host that the proxy is asked for. Throws a ProbeFailure if the gate refuses it. */
async function addressOf({ proxy, destination, isResolvedHere }: TunnelPlan, how: ConverseOptions): Promise<string> {
  const { host } = destination;
  const { names, gate } = how.context;
  if (isIP(host) !== 0) {
    refuseForbidden([host], gate);
    return host;
  }
  if (!isResolvedHere) return host;
  const { trial } = how;
  trial.limit.activity = 'name lookup';
  const begunAt = performance.now();
  let addresses: readonly string[];
  try {
    addresses = await trial.limit.race(names.resolve(host, proxy.version === 4 ? 4 : undefined));
  } catch (error) {
    throw toFailure(error, 'dns');
  }
  const tookMs = Math.max(0, trial.limit.eventAt(begunAt) - begunAt);
  trial.tookMs += tookMs;
  trial.timings.dns = toSeconds(tookMs);
  // All of them: a name with one internal address among public ones is a trap.
  refuseForbidden(addresses, gate);
  const address = addresses.find((address) => proxy.version === 5 || isIP(address) === 4);
  if (address === undefined) throw new ProbeFailure('dns', 'ENODATA: the name of the target has no IPv4 address');
  return address;
}

function refuseForbidden(addresses: readonly string[], gate: ConverseOptions['context']['gate']): void {
  for (const address of addresses) {
    const refusal = gate.refusal(address);
    if (refusal !== null) throw new ProbeFailure('forbidden_address', refusal);
  }
}

/** Errors of the package have no codes. */
function failureOf(error: unknown, { trial }: ConverseOptions): ProbeFailure {
  if (error instanceof ProbeFailure) return error;
  const text = error instanceof Error ? error.message : String(error);
  if (/^Socket closed$|ended by the other party/.test(text)) {
    return new ProbeFailure('connect', 'connection closed before the answer of the proxy');
  }
  if (/^(read|write) E[A-Z]+/.test(text)) return new ProbeFailure('connect', text);
  const refusal = refusalOf(text);
  if (refusal === null) return new ProbeFailure('protocol', `it does not answer by SOCKS: ${text}`);
  trial.isAnswered = true;
  trial.status = refusal.status;
  return new ProbeFailure('status', refusal.text);
}

/** Returns what a proxy means by its refusal; null if it is no refusal. */
function refusalOf(text: string): { status: string; text: string } | null {
  if (text.includes('no accepted authentication type')) {
    return { status: 'NoAcceptableMethod', text: 'the proxy wants another login, or none' };
  }
  if (text.includes('Authentication failed')) {
    return { status: 'AuthenticationFailed', text: 'the proxy refuses the credentials' };
  }
  const [, code = 'undefined'] = /rejected connection - \(?(\w+)\)?$/.exec(text) ?? [];
  // A code that the package does not know, or the right one in a malformed answer.
  if (code === 'undefined' || code === 'Granted') return null;
  return { status: code, text: `the proxy does not connect to the target: ${code}` };
}

const ignore = () => {};
