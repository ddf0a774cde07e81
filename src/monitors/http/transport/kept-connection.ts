import { isIP } from 'node:net';
import type { ConnectionGate, NameResolver } from '../../monitor.ts';
import { certificateFacts } from '../../net/certificate.ts';
import type { Connection } from '../../net/dial.ts';
import type { TimeLimit } from '../../net/time-limit.ts';
import { headerValues } from '../parser/headers.ts';
import type { ResponseHead } from '../parser/response-parser.ts';
import type { HttpRequest } from './exchange.ts';
import { sharedWaiting, type Waiting, type WaitingConnections } from './waiting-connections.ts';

export interface TransportContext {
  names: NameResolver;
  gate: ConnectionGate;
  /** Default: those of this process. */
  waiting?: WaitingConnections;
}

/** Maximal age of a connection, so that changes behind a name are noticed. */
export const MAX_CONNECTION_AGE_MS = 600_000;

/** Safety margin before the site's idle time-out, which may end while a request is on its way. */
const MARGIN_MS = 500;

/** A connection between two checks of its job: open until it is too old, the site closes it, or the job stops. */
export class KeptConnection implements Waiting {
  readonly connection: Connection;
  readonly #closesAt: number;
  readonly #waiting: WaitingConnections;
  #isBroken = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(connection: Connection, maxAgeMs: number, waiting = sharedWaiting) {
    this.#waiting = waiting;
    this.connection = connection;
    this.#closesAt = performance.now() + maxAgeMs;
  }

  /** Keeps the connection for the next check, as long as the last response allows it. */
  park({ headers }: ResponseHead): void {
    const { socket } = this.connection;
    // Any event here is unsolicited.
    socket.on('data', this.#break).on('end', this.#break).on('error', this.#break).on('close', this.#break);
    socket.unref();
    const allowedMs = Math.min(this.#closesAt - performance.now(), idleLimitMs(headers));
    if (allowedMs <= 0) this.close();
    else {
      this.#timer = setTimeout(() => this.close(), allowedMs).unref();
      this.#waiting.add(this);
    }
  }

  /** Takes the connection for a request. False if it is closed or differs from a fresh one. */
  async take(request: HttpRequest, context: TransportContext, limit: TimeLimit): Promise<boolean> {
    if (this.#isBroken || !(await isAsGoodAsFresh(this.connection, request, context, limit))) return false;
    // It may have been closed while the name was looked up.
    if (this.#isBroken) return false;
    clearTimeout(this.#timer);
    this.#waiting.delete(this);
    const { socket } = this.connection;
    socket.off('data', this.#break).off('end', this.#break).off('error', this.#break).off('close', this.#break);
    socket.ref();
    return true;
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#waiting.delete(this);
    this.#isBroken = true;
    this.connection.socket.destroy();
  }

  readonly #break = (): void => this.close();
}

/**
 * Whether a fresh connection would be the same: the name still resolves to that address, the gate still allows it, the
 * certificate has not expired, no full handshake is due. Updates the facts of the certificate.
 */
export async function isAsGoodAsFresh(
  connection: Connection,
  { target }: HttpRequest,
  { names, gate }: TransportContext,
  limit: TimeLimit,
): Promise<boolean> {
  if (gate.refusal(connection.remoteAddress) !== null) return false;
  if (target.tls !== null) {
    connection.certificate = certificateFacts(connection.socket, Date.now(), target.tls.ca);
    if ((connection.certificate?.days_left ?? 0) < 0) return false;
    if (target.tls.sessions?.isOutdated(connection.socket)) return false;
  }
  if (isIP(target.host)) return true;
  try {
    return (await limit.race(names.resolve(target.host))).includes(connection.remoteAddress);
  } catch {
    // A fresh connection reports the problem of the name.
    return false;
  }
}

function idleLimitMs(headers: ResponseHead['headers']): number {
  for (const value of headerValues(headers, 'keep-alive')) {
    const seconds = /(?:^|[,;\s])timeout\s*=\s*"?(\d{1,9})/i.exec(value)?.[1];
    if (seconds !== undefined) return Number(seconds) * 1000 - MARGIN_MS;
  }
  return Number.POSITIVE_INFINITY;
}
