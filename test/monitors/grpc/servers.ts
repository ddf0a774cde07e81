import { createServer as createHttp2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { Server as TcpServer } from 'node:net';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import type { Test } from 'tap';
import { listen, pem, type Site } from '../support.ts';

/** A server of the gRPC project with its health service, without TLS and with it. */
export async function startHealth(t: Test) {
  const health = new HealthImplementation({ '': 'SERVING', 'shop.Orders': 'NOT_SERVING', 'shop.Stock': 'UNKNOWN' });
  const server = new Server();
  health.addToServer(server);
  t.teardown(() => server.forceShutdown());
  const bind = (credentials: ServerCredentials) =>
    new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', credentials, (error, port) => (error ? reject(error) : resolve(port)));
    });
  const pair = { private_key: Buffer.from(pem('server')), cert_chain: Buffer.from(pem('server')) };
  return {
    health,
    plain: await bind(ServerCredentials.createInsecure()),
    secure: await bind(ServerCredentials.createSsl(null, [pair])),
  };
}

/** Something that speaks HTTP/2 without TLS, and otherwise does what it likes. */
export function serveStreams(
  t: Test,
  onStream: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void,
): Promise<Site> {
  const server = createHttp2Server();
  server.on('sessionError', ignore).on('session', (session) => session.on('error', ignore));
  server.on('stream', (stream, headers) => {
    stream.on('error', ignore);
    onStream(stream, headers);
  });
  return listen(t, server as unknown as TcpServer, 'grpc', '127.0.0.1');
}

interface Answer {
  head?: Record<string, string | number>;
  body?: Buffer;
  /** null: none. */
  trailers?: Record<string, string> | null;
}

/** Ends a stream as gRPC does unless told otherwise. */
export function answer(
  stream: ServerHttp2Stream,
  { head = {}, body, trailers = { 'grpc-status': '0' } }: Answer,
): void {
  const fields = { ':status': 200, 'content-type': 'application/grpc', ...head };
  stream.respond(fields, { waitForTrailers: trailers !== null });
  if (trailers !== null) stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  stream.end(body ?? framed(SERVING));
}

export const SERVING = Buffer.from([8, 1]);

export function framed(message: Buffer, { flag = 0, length = message.length } = {}): Buffer {
  const head = Buffer.from([flag, 0, 0, 0, 0]);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, message]);
}

const ignore = () => {};
