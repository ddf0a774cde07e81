import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { createServer } from '@pondwader/socks5-server';
import type { Test } from 'tap';
import { type Site, serveRaw } from '../support.ts';

const require = createRequire(import.meta.url);

export const PASSWORD = 'open:s€same/';

/** The package has no types. */
interface Socks4Server {
  emit(event: 'connection', socket: Socket): void;
  on(event: 'connect', listener: (request: Request) => void): void;
  proxyRequest(request: Request): Socket;
}

interface Request {
  host: string;
  port: number;
  reject(): void;
}

interface TestProxy extends Site {
  /** Hosts and ports that it was asked for. */
  asked: string[];
}

/** A proxy of SOCKS4 and SOCKS4a, of the package socks4. */
export async function serveSocks4(t: Test): Promise<TestProxy> {
  const socks4 = require('socks4') as { createServer(): Socks4Server };
  const asked: string[] = [];
  const server = socks4.createServer();
  server.on('connect', (request) => {
    asked.push(`${request.host}:${request.port}`);
    server.proxyRequest(request).on('error', () => request.reject());
  });
  const site = await serveRaw(t, (socket) => server.emit('connection', socket), 'socks4');
  return Object.assign(site, { asked });
}

/** A proxy of SOCKS5, of the package @pondwader/socks5-server; with a login only for the user `probe`. */
export async function serveSocks5(t: Test, { hasLogin = false } = {}): Promise<TestProxy> {
  const asked: string[] = [];
  const server = createServer(hasLogin ? { auth: { username: 'probe', password: PASSWORD } } : {});
  server.setRulesetValidator(({ destAddress, destPort }) => {
    asked.push(`${destAddress}:${destPort}`);
    return destPort !== FORBIDDEN_PORT;
  });
  return Object.assign(await serveRaw(t, (socket) => server._handleConnection(socket), 'socks5'), { asked });
}

export const FORBIDDEN_PORT = 10;
