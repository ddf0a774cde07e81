import type { Socket } from 'node:net';
import { SocksClient } from 'socks';
import type { ConnectTarget } from '../../net/dial.ts';
import type { JobProxy } from './proxy.ts';

/**
 * Asks a SOCKS5 proxy for a connection (RFC 1928), by name where the target has one. Rejects with an error of the package,
 * which has destroyed the socket then. Its timer is not cleared: it holds the socket for `timeoutMs`.
 */
export async function openSocksTunnel(
  socket: Socket,
  { target: { host, port }, credentials }: JobProxy,
  destination: ConnectTarget,
  timeoutMs: number,
): Promise<void> {
  const login = credentials === null ? {} : { userId: credentials.username, password: credentials.password };
  await SocksClient.createConnection({
    proxy: { host, port, type: 5, ...login },
    command: 'connect',
    destination: { host: destination.host, port: destination.port },
    existing_socket: socket,
    timeout: timeoutMs,
  });
}
