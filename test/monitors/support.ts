import { readFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Socket, type Server as TcpServer } from 'node:net';
import type { Test } from 'tap';
import { monitors } from '../../src/monitors/index.ts';
import type { MonitorContext, Probe, ProbeRequest, ProbeResult } from '../../src/monitors/monitor.ts';
import { createGate } from '../../src/monitors/net/gate.ts';

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

function listen(t: Teardown, server: TcpServer, scheme: string, host: string): Promise<Site> {
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
  t.teardown(() => {
    for (const socket of open) socket.destroy();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  });
  return new Promise((resolve) => {
    server.listen(0, host, () => {
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

export function serveTls(t: Teardown, options: ServerOptions, listener: RequestListener): Promise<Site> {
  const server = createTlsServer(options, listener);
  server.on('tlsClientError', () => {});
  return listen(t, server, 'https', '127.0.0.1');
}

/** Something that takes connections and need not speak HTTP. */
export function serveRaw(t: Teardown, onSocket: (socket: Socket) => void): Promise<Site> {
  return listen(t, createTcpServer(onSocket), 'http', '127.0.0.1');
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

export function prepare(options: object, more: Partial<MonitorContext> = {}): Probe {
  return monitors.get('http').prepare(options, { ...context, ...more });
}

/** One check of the http type. */
export function check(
  options: object,
  { timeoutMs = 5_000, slotTag, signal = new AbortController().signal, ...more }: CheckOptions = {},
): Promise<ProbeResult> {
  const request: ProbeRequest = { timeoutMs, signal, ...(slotTag === undefined ? {} : { slotTag }) };
  return prepare(options, more)(request);
}

type CheckOptions = Partial<ProbeRequest> & Partial<MonitorContext>;
