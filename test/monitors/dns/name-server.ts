import { createSocket } from 'node:dgram';
import { createSecureServer, type Http2ServerRequest } from 'node:http2';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { type Answer, AUTHENTIC_DATA, decode, encode, TRUNCATED_RESPONSE } from 'dns-packet';
import type { Test } from 'tap';
import { listen, pem, type Site } from '../support.ts';

export interface Zone {
  answers?: Answer[];
  rcode?: number;
  isAuthenticated?: boolean;
  isTruncated?: boolean;
  /** By TCP alone. */
  more?: Answer[];
}

function answerTo(query: Buffer, zones: Record<string, Zone>, isStream: boolean): Buffer {
  const { id, questions = [] } = decode(query);
  const {
    answers = [],
    rcode = 0,
    isAuthenticated = false,
    isTruncated = false,
    more = [],
  } = zones[questions[0]?.name.toLowerCase() ?? ''] ?? { rcode: 3 };
  const isCut = isTruncated && !isStream;
  const flags = 0x180 | rcode | (isAuthenticated ? AUTHENTIC_DATA : 0) | (isCut ? TRUNCATED_RESPONSE : 0);
  return encode({
    type: 'response',
    id: id ?? 0,
    flags,
    questions,
    answers: isCut ? [] : [...answers, ...(isStream ? more : [])],
  });
}

/** A name server by UDP, TCP and TLS. */
export async function createZones(t: Pick<Test, 'teardown'>, zones: Record<string, Zone>) {
  const onSocket = (socket: Socket) => {
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      const answer = answerTo(bytes.subarray(2), zones, true);
      // In small pieces, as networks deliver them now and then.
      const whole = Buffer.concat([Buffer.from([answer.length >> 8, answer.length & 255]), answer]);
      socket.write(whole.subarray(0, 1));
      setImmediate(() => socket.write(whole.subarray(1)));
    });
  };
  const tcp = await listen(t, createServer(onSocket), 'dns', '127.0.0.1');
  const tls = await listen(
    t,
    createTlsServer({ key: pem('server'), cert: pem('server') }, onSocket).on(
      'tlsClientError',
      () => {},
    ) as unknown as Server,
    ...(['dns+tls', '127.0.0.1'] as const),
  );
  const udp = createSocket('udp4', (query, peer) => udp.send(answerTo(query, zones, false), peer.port, peer.address));
  await new Promise<void>((resolve) => udp.bind(tcp.port, '127.0.0.1', resolve));
  t.teardown(() => udp.close());
  return { plain: tcp.uri, secured: tls.uri, tcp };
}

export interface HttpsAnswer {
  status?: number;
  headers?: Record<string, string>;
  body?: Buffer;
}

export interface HttpsRequest {
  version: string;
  method: string;
  path: string;
  headers: Record<string, unknown>;
  query: Buffer;
}

/** A name server by HTTPS, of HTTP/1.1 and 2, that answers as `change` says where it says something. */
export async function createHttpsResolver(
  t: Pick<Test, 'teardown'>,
  zones: Record<string, Zone>,
  change: (request: HttpsRequest) => HttpsAnswer = () => ({}),
): Promise<Site & { asked: HttpsRequest[] }> {
  const asked: HttpsRequest[] = [];
  const server = createSecureServer({ key: pem('server'), cert: pem('server'), allowHTTP1: true });
  server.on('sessionError', ignore).on('session', (session) => session.on('error', ignore));
  server.on('request', async (request: Http2ServerRequest, response) => {
    const { httpVersion: version, method, url: path, headers } = request;
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const inPath = new URL(path, 'https://a.test').searchParams.get('dns') ?? '';
    const query = method === 'POST' ? Buffer.concat(parts) : Buffer.from(inPath, 'base64url');
    const given = { version, method, path, headers, query };
    asked.push(given);
    const changed = change(given);
    response.writeHead(changed.status ?? 200, changed.headers ?? { 'content-type': 'application/dns-message' });
    response.end(changed.body ?? answerTo(query, zones, true));
  });
  return Object.assign(await listen(t, server as unknown as Server, 'dns+https', '127.0.0.1'), { asked });
}

const ignore = () => {};

/** Something that answers datagrams as it likes. */
export async function createOddity(t: Pick<Test, 'teardown'>, answer: (query: Buffer) => Buffer[]): Promise<string> {
  const socket = createSocket('udp4', (query, peer) => {
    for (const each of answer(query)) socket.send(each, peer.port, peer.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  t.teardown(() => socket.close());
  return `dns://127.0.0.1:${socket.address().port}`;
}
