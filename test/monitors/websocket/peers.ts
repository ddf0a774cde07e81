import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerOptions } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Test } from 'tap';
import { type WebSocket, WebSocketServer, type ServerOptions as WebSocketServerOptions } from 'ws';
import { listen, pem, type Site } from '../support.ts';

/** A real server of WebSockets on a loopback address. */
export async function serveWebSockets(
  t: Pick<Test, 'teardown'>,
  onSocket: (socket: WebSocket, request: IncomingMessage) => void,
  { tls = false, http = {}, ...options }: WebSocketServerOptions & { tls?: boolean; http?: ServerOptions } = {},
): Promise<Site> {
  const server = tls ? createTlsServer({ key: pem('server'), cert: pem('server') }) : createServer(http);
  server.on('tlsClientError', () => {});
  new WebSocketServer({ server, ...options }).on('connection', onSocket);
  return listen(t, server, tls ? 'wss' : 'ws', '127.0.0.1');
}

/** What a peer does once it has accepted the handshake; `more` are further lines of its answer. */
export const accepting =
  (onOpen: (socket: Socket) => void, more = '') =>
  (socket: Socket): void => {
    socket.once('data', (head: Buffer) => {
      const key = /sec-websocket-key: (.*)\r\n/i.exec(head.toString())?.[1] ?? '';
      const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n${more}\r\n`,
      );
      onOpen(socket);
    });
  };

/** A short frame of a server, not masked. `first` has the flags and the opcode. */
export const frame = (first: number, text: string | Buffer = ''): Buffer => {
  const data = Buffer.from(text as string);
  return Buffer.concat([Buffer.from([first, data.length]), data]);
};

/** Writes as long as anybody reads. */
export const flooding =
  (data: Buffer) =>
  (socket: Socket): void => {
    const many = Buffer.concat(Array.from({ length: Math.ceil(65_536 / data.length) }, () => data));
    const more = () => {
      while (!socket.destroyed && socket.write(many));
    };
    socket.on('drain', more);
    more();
  };
