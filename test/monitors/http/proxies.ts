import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect, type Socket } from 'node:net';
import type { Test } from 'tap';
import { listen, pem, type Site, serveRaw } from '../support.ts';

export interface TestProxy extends Site {
  /** Request lines, or names and ports that were asked for. */
  asked: string[];
  headers: Array<IncomingMessage['headers']>;
}

/** An HTTP proxy that forwards requests and opens tunnels; names lead to 127.0.0.1. */
export async function serveProxy(t: Test, { login = '', isTls = false } = {}): Promise<TestProxy> {
  const asked: string[] = [];
  const headers: TestProxy['headers'] = [];
  const isAllowed = (incoming: IncomingMessage) => {
    asked.push(`${incoming.method} ${incoming.url} HTTP/${incoming.httpVersion}`);
    headers.push(incoming.headers);
    const given = Buffer.from(incoming.headers['proxy-authorization']?.split(' ')[1] ?? '', 'base64').toString();
    return login === '' || given === login;
  };
  const forward = (incoming: IncomingMessage, response: ServerResponse) => {
    if (!isAllowed(incoming)) return void response.writeHead(407, { 'proxy-authenticate': 'Basic' }).end();
    const url = new URL(incoming.url as string);
    const options = { host: '127.0.0.1', port: url.port, path: url.pathname + url.search, method: incoming.method };
    const { 'proxy-authorization': _, ...passed } = incoming.headers;
    const onward = request({ ...options, headers: passed }, (answer) => {
      response.writeHead(answer.statusCode as number, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.writeHead(502).end());
    incoming.pipe(onward);
  };
  const server = isTls ? createTlsServer({ key: pem('server'), cert: pem('server') }, forward) : createServer(forward);
  server.on('connect', (incoming: IncomingMessage, socket: Socket) => {
    if (!isAllowed(incoming)) return socket.end('HTTP/1.1 407 No\r\nproxy-authenticate: Basic\r\n\r\n');
    const onward = connect(Number((incoming.url as string).split(':').pop()), '127.0.0.1');
    onward.on('connect', () => {
      socket.write('HTTP/1.1 200 Connection established\r\ncontent-length: 5\r\n\r\n');
      join(socket, onward);
    });
    onward.on('error', () => socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n'));
  });
  return Object.assign(await listen(t, server, isTls ? 'https' : 'http', '127.0.0.1'), { asked, headers });
}

/** A SOCKS5 proxy (RFC 1928, 1929); names lead to 127.0.0.1. */
export async function serveSocks(t: Test, { login = '' } = {}): Promise<TestProxy> {
  const asked: string[] = [];
  const site = await serveRaw(t, async (socket) => {
    const read = reader(socket);
    const [, methods = 0] = await read(2);
    const offered = await read(methods);
    const method = login === '' ? 0 : 2;
    if (!offered.includes(method)) return socket.end(Buffer.from([5, 255]));
    socket.write(Buffer.from([5, method]));
    if (login !== '') {
      const [, userLength = 0] = await read(2);
      const user = await read(userLength);
      const [length = 0] = await read(1);
      const isRight = `${user}:${await read(length)}` === login;
      socket.write(Buffer.from([1, isRight ? 0 : 1]));
      if (!isRight) return socket.end();
    }
    const [, , , kind = 0] = await read(4);
    const host = kind === 3 ? String(await read((await read(1))[0] ?? 0)) : (await read(kind === 1 ? 4 : 16)).join('.');
    const port = (await read(2)).readUInt16BE();
    asked.push(`${host}:${port}`);
    const onward = connect(port, '127.0.0.1');
    onward.on('connect', () => {
      socket.write(Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
      join(socket, onward);
    });
    onward.on('error', () => socket.end(Buffer.from([5, 5, 0, 1, 0, 0, 0, 0, 0, 0])));
  });
  return Object.assign(site, { asked, headers: [], uri: site.uri.replace('http', 'socks5') });
}

function join(a: Socket, b: Socket): void {
  a.pipe(b).pipe(a);
  for (const [one, other] of [
    [a, b],
    [b, a],
  ] as const) {
    one.on('error', () => {}).on('close', () => other.destroy());
  }
}

/** Returns a function that waits for some bytes. */
function reader(socket: Socket): (length: number) => Promise<Buffer> {
  return async (length) => {
    for (;;) {
      const bytes: Buffer | null = length === 0 ? Buffer.alloc(0) : socket.read(length);
      if (bytes !== null) return bytes;
      await new Promise<void>((resolve) => socket.once('readable', () => resolve()));
    }
  };
}
