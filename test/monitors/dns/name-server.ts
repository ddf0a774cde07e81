import { createSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { type Answer, AUTHENTIC_DATA, decode, encode, TRUNCATED_RESPONSE } from 'dns-packet';
import type { Test } from 'tap';
import { listen, pem } from '../support.ts';

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

/** Something that answers datagrams as it likes. */
export async function createOddity(t: Pick<Test, 'teardown'>, answer: (query: Buffer) => Buffer[]): Promise<string> {
  const socket = createSocket('udp4', (query, peer) => {
    for (const each of answer(query)) socket.send(each, peer.port, peer.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  t.teardown(() => socket.close());
  return `dns://127.0.0.1:${socket.address().port}`;
}
