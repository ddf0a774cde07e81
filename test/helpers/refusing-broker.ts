import { createServer, type Socket } from 'node:net';
import type { Test } from 'tap';

const API_VERSIONS = 18;
const SASL_HANDSHAKE = 17;
const SASL_AUTHENTICATE = 36;

/** A Kafka broker that takes connections and no password. Answers `host:port`. */
export async function createRefusingBroker(t: Pick<Test, 'teardown'>): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let waiting: Buffer = Buffer.alloc(0);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    socket.on('data', (chunk) => {
      waiting = Buffer.concat([waiting, chunk]);
      while (waiting.length >= 4 && waiting.length >= 4 + waiting.readInt32BE(0)) {
        const size = waiting.readInt32BE(0);
        const request = waiting.subarray(4, 4 + size);
        waiting = waiting.subarray(4 + size);
        const body = answerTo(request.readInt16BE(0));
        socket.write(Buffer.concat([int32(4 + body.length), request.subarray(4, 8), body]));
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `127.0.0.1:${(server.address() as { port: number }).port}`;
}

function answerTo(api: number): Buffer {
  switch (api) {
    case API_VERSIONS: {
      const versions = [API_VERSIONS, SASL_HANDSHAKE, SASL_AUTHENTICATE].map((key) =>
        Buffer.concat([int16(key), int16(0), int16(key === SASL_AUTHENTICATE ? 0 : 1)]),
      );
      // Error code, the list, and the throttle time of version 1.
      return Buffer.concat([int16(0), int32(versions.length), ...versions, int32(0)]);
    }
    case SASL_HANDSHAKE:
      return Buffer.concat([int16(0), int32(1), text('PLAIN')]);
    case SASL_AUTHENTICATE:
      return Buffer.concat([int16(58), text('Authentication failed: Invalid username or password'), int32(0)]);
    default:
      throw new Error(`Nobody asks this before the password is taken: ${api}`);
  }
}

const int16 = (value: number) => {
  const buffer = Buffer.alloc(2);
  buffer.writeInt16BE(value);
  return buffer;
};

const int32 = (value: number) => {
  const buffer = Buffer.alloc(4);
  buffer.writeInt32BE(value);
  return buffer;
};

const text = (value: string) => Buffer.concat([int16(Buffer.byteLength(value)), Buffer.from(value)]);
