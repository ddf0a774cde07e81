import { isIP } from 'node:net';
import type { ConnectionGate, NameResolver } from '../../monitor.ts';
import { certificateFacts } from '../../net/certificate.ts';
import type { Connection } from '../../net/dial.ts';
import type { TimeLimit } from '../../net/time-limit.ts';
import { headerValues } from '../parser/headers.ts';
import type { ResponseHead } from '../parser/response-parser.ts';
import type { HttpRequest } from './exchange.ts';

export interface TransportContext {
  names: NameResolver;
  gate: ConnectionGate;
}

/** No connection is used longer: what has changed behind a name is seen by then. */
export const MAX_CONNECTION_AGE_MS = 600_000;

/** A site that closes idle connections after so many seconds may do it while a request is on its way. */
const MARGIN_MS = 500;

/** A connection between two checks of its job: open until it is too old, its site wishes otherwise, or the job stops. */
export class KeptConnection {
  readonly connection: Connection;
  readonly #closesAt: number;
  #isBroken = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(connection: Connection, maxAgeMs: number) {
    this.connection = connection;
    this.#closesAt = performance.now() + maxAgeMs;
  }

  /** Waits for the next check, as long as the last response allows it. */
  park({ headers }: ResponseHead): void {
    const { socket } = this.connection;
    // Nobody has asked for what comes now.
    socket.on('data', this.#break).on('end', this.#break).on('error', this.#break).on('close', this.#break);
    socket.unref();
    const allowedMs = Math.min(this.#closesAt - performance.now(), idleLimitMs(headers));
    if (allowedMs <= 0) this.close();
    else this.#timer = setTimeout(() => this.close(), allowedMs).unref();
  }

  /** Takes it for a request. False when it is closed, or not as good as a fresh one. */
  async take(request: HttpRequest, context: TransportContext, limit: TimeLimit): Promise<boolean> {
    if (this.#isBroken || !(await isAsGoodAsFresh(this.connection, request, context, limit))) return false;
    // It may have been closed while the name was looked up.
    if (this.#isBroken) return false;
    clearTimeout(this.#timer);
    const { socket } = this.connection;
    socket.off('data', this.#break).off('end', this.#break).off('error', this.#break).off('close', this.#break);
    socket.ref();
    return true;
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#isBroken = true;
    this.connection.socket.destroy();
  }

  readonly #break = (): void => this.close();
}

/**
 * Whether a fresh connection would be the same: its name still stands for that address, the gate has not changed its
 * mind, its certificate has not expired. The facts of the certificate are those of now.
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
  }
  if (isIP(target.host)) return true;
  try {
    return (await limit.race(names.resolve(target.host))).includes(connection.remoteAddress);
  } catch {
    // A fresh connection finds out, and says what is wrong with the name.
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
