import type { Socket } from 'node:net';
import { SocksClient } from 'socks';

export interface SocksProxy {
  /** 4 asks by name, as SOCKS4a, for a destination that has one. */
  version: 4 | 5;
  host: string;
  port: number;
  credentials: { username: string; password: string } | null;
}

/**
 * Asks a SOCKS proxy for a connection (RFC 1928, SOCKS4a), by name where the destination has one. Rejects with an error of
 * the package, which has destroyed the socket then. Its timer is not cleared: it holds the socket for `timeoutMs`. What the
 * destination has sent follows as `data` events of the socket, in the next turn of the event loop.
 */
export async function openSocksTunnel(
  socket: Socket,
  { version, host, port, credentials }: SocksProxy,
  destination: { host: string; port: number },
  timeoutMs: number,
): Promise<void> {
  const login = credentials === null ? {} : { userId: credentials.username, password: credentials.password };
  await SocksClient.createConnection({
    proxy: { host, port, type: version, ...login },
    command: 'connect',
    destination: { host: destination.host, port: destination.port },
    existing_socket: socket,
    timeout: timeoutMs,
  });
}
