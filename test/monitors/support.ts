import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { ServerHttp2Session } from 'node:http2';
import { createServer as createTlsServer, type ServerOptions, type Server as TlsServer } from 'node:https';
import {
  type AddressInfo,
  connect,
  createServer as createTcpServer,
  type Socket,
  type Server as TcpServer,
} from 'node:net';
import type { Test } from 'tap';
import { monitors } from '../../src/monitors/index.ts';
import type { MonitorContext, Probe, ProbeRequest, ProbeResult } from '../../src/monitors/monitor.ts';
import { createGate } from '../../src/monitors/net/gate.ts';
import { until } from '../helpers/until.ts';

type Teardown = Pick<Test, 'teardown'>;

export const context: MonitorContext = { gate: createGate({ mode: 'off' }), userAgent: 'vedette-test' };

export const pem = (name: string): string =>
  readFileSync(new URL(`../fixtures/tls/${name}.pem`, import.meta.url), 'utf8');

export interface Site {
  port: number;
  /** Without a slash at the end. */
  uri: string;
  /** Connections that it has taken so far. */
  taken: number;
  /** Waits until the last of its connections is closed. */
  quiet(): Promise<void>;
}

/** Any server, listening until the end of the test. */
export function listen(t: Teardown, server: TcpServer, scheme: string, host: string, port = 0): Promise<Site> {
  const open = new Set<Socket>();
  let onQuiet = () => {};
  const site: Site = {
    port: 0,
    uri: '',
    taken: 0,
    quiet: () =>
      new Promise((resolve) => {
        onQuiet = resolve;
        if (open.size === 0) resolve();
      }),
  };
  server.on('connection', (socket) => {
    site.taken++;
    open.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => {
      open.delete(socket);
      if (open.size === 0) onQuiet();
    });
  });
  // After a reset by its client, a server of HTTP/2 now and then ends a session and leaves its socket.
  server.on('session', (session: ServerHttp2Session) => {
    const { remotePort } = session.socket;
    session.on('close', () => {
      for (const socket of open)
        if (socket.remotePort === undefined || socket.remotePort === remotePort) socket.destroy();
    });
  });
  t.teardown(() => {
    for (const socket of open) socket.destroy();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  });
  return new Promise((resolve) => {
    server.listen(port, host, () => {
      site.port = (server.address() as AddressInfo).port;
      site.uri = `${scheme}://${host.includes(':') ? `[${host}]` : host}:${site.port}`;
      resolve(site);
    });
  });
}

/** A website on a loopback address. */
export function serve(t: Teardown, listener: RequestListener, host = '127.0.0.1'): Promise<Site> {
  const server: Server = createServer({ keepAliveTimeout: 60_000 }, listener);
  return listen(t, server, 'http', host);
}

export async function serveTls(
  t: Teardown,
  options: ServerOptions,
  listener: RequestListener,
  { host = '127.0.0.1', port = 0 } = {},
): Promise<Site & { server: TlsServer }> {
  const server = createTlsServer(options, listener);
  server.on('tlsClientError', () => {});
  return Object.assign(await listen(t, server, 'https', host, port), { server });
}

/** Something that takes connections and need not speak HTTP. */
export function serveRaw(t: Teardown, onSocket: (socket: Socket) => void, scheme = 'http'): Promise<Site> {
  return listen(t, createTcpServer(onSocket), scheme, '127.0.0.1');
}

/** A server that sends `text` after the request's headers, and closes unless told otherwise. */
export function answering(t: Teardown, text: string | Buffer, { closes = true } = {}): Promise<Site> {
  return serveRaw(t, (socket) => {
    socket.once('data', () => {
      if (closes) socket.end(text);
      else socket.write(text);
    });
  });
}

/** Runs a server until the end of the test, and returns when its port takes connections. */
export async function serveProgram(t: Test, program: string, args: readonly string[], port: number, cwd: string) {
  const server = spawn(program, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  for (const output of [server.stdout, server.stderr]) {
    output.on('data', (chunk) => {
      log += chunk;
    });
  }
  const ended = new Promise<void>((resolve) => server.on('close', () => resolve()));
  t.teardown(() => {
    server.kill();
    return ended;
  });
  await until(`${program} on port ${port}`, async () => {
    if (server.exitCode !== null) throw new Error(`${program} has ended: ${log}`);
    return isOpen(port);
  });
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}

export function prepare(options: object, more: Partial<MonitorContext> = {}): Probe {
  return monitors.get('http').prepare(options, { ...context, ...more });
}

/** One check of the http type. */
export const check = (options: object, more: CheckOptions = {}): Promise<ProbeResult> => checkBy('http', options, more);

/** One check of any type. */
export function checkBy(
  type: string,
  options: object,
  { timeoutMs = 5_000, slotTag, signal = new AbortController().signal, ...more }: CheckOptions = {},
): Promise<ProbeResult> {
  const request: ProbeRequest = { timeoutMs, signal, ...(slotTag === undefined ? {} : { slotTag }) };
  return monitors.get(type).prepare(options, { ...context, ...more })(request);
}

type CheckOptions = Partial<ProbeRequest> & Partial<MonitorContext>;
