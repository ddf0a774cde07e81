import type { Socket } from 'node:net';
import type { Test } from 'tap';
import {
  array,
  bytes,
  Fields,
  int8,
  int16,
  int32,
  int64,
  REQUESTS,
  type RequestName,
  text,
} from '../../../src/monitors/kafka/message.ts';
import { type Site, serveRaw } from '../support.ts';

interface StubPartition {
  leader?: number;
  replicas?: number[];
  inSync?: number[];
  committed?: bigint;
  end?: bigint;
}

export interface StubCluster {
  /** By name; an error in place of partitions. */
  topics: Record<string, StubPartition[] | number>;
  /** Error of FindCoordinator. */
  coordinator?: number;
  /** For some requests another answer than the usual one. */
  instead?: Partial<Record<RequestName, (request: Fields) => Buffer>>;
  /** Where the brokers are said to be; as they are by default. */
  host?: string;
  password?: string;
}

const NONE = int16(-1);
const NO_DELAY = int32(0);

/** Brokers of one cluster, on loopback, numbered from 1. They take a login by PLAIN, and tell what they were asked. */
export async function startStubs(t: Test, cluster: StubCluster, count = 1) {
  const asked: Array<[broker: number, request: RequestName]> = [];
  const sites: Site[] = [];
  for (let number = 1; number <= count; number++) {
    const answerOf = (name: RequestName, request: Fields) => {
      asked.push([number, name]);
      return cluster.instead?.[name]?.(request) ?? ANSWERS[name](request, cluster, sites);
    };
    sites.push(await serveRaw(t, (socket) => speak(socket, answerOf), 'kafka'));
  }
  return { sites, asked };
}

export function speak(socket: Socket, answerOf: (name: RequestName, request: Fields) => Buffer): void {
  let received = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
    while (received.length >= 4 && received.length >= 4 + received.readInt32BE(0)) {
      const end = 4 + received.readInt32BE(0);
      const request = new Fields(received.subarray(4, end));
      received = received.subarray(end);
      const [key, version, id] = [request.int16(), request.int16(), request.int32()];
      request.text();
      const name = nameOf(key, version);
      if (name === undefined) socket.destroy();
      else socket.write(bytes(Buffer.concat([int32(id), answerOf(name, request)])));
    }
  });
}

function nameOf(key: number, version: number): RequestName | undefined {
  const found = Object.entries(REQUESTS).find(([, each]) => each.key === key && each.version === version);
  return found?.[0] as RequestName | undefined;
}

const numbers = (list: readonly number[]) => array(list.map(int32));
const partitionsOf = (given: StubPartition[] | number | undefined) => (Array.isArray(given) ? given : []);
const place = ({ port }: Site, { host = '127.0.0.1' }: StubCluster) => [text(host), int32(port)];

const ANSWERS: Record<RequestName, (request: Fields, cluster: StubCluster, sites: readonly Site[]) => Buffer> = {
  ApiVersions: () =>
    Buffer.concat([
      int16(0),
      array(
        Object.values(REQUESTS).map(({ key, version }) => Buffer.concat([int16(key), int16(0), int16(version + 3)])),
      ),
    ]),
  SaslHandshake: (request) => Buffer.concat([int16(request.text() === 'PLAIN' ? 0 : 33), array([text('PLAIN')])]),
  SaslAuthenticate(request, { password }) {
    const isRight = request.bytes().toString() === `\0probe\0${password}`;
    return Buffer.concat([int16(isRight ? 0 : 58), isRight ? NONE : text('no such user'), bytes(Buffer.alloc(0))]);
  },
  Metadata(request, cluster, sites) {
    const wanted = request.array(() => request.text() ?? '');
    if (request.int8() !== 0) throw new Error('asking for a topic would make it');
    const names = wanted.length > 0 ? wanted : Object.keys(cluster.topics);
    const topics = names.map((name) => {
      const given = cluster.topics[name] ?? 3;
      const partitions = partitionsOf(given).map(({ leader = 1, replicas = [1], inSync = replicas }, index) =>
        Buffer.concat([int16(leader < 0 ? 5 : 0), int32(index), int32(leader), ...[replicas, inSync, []].map(numbers)]),
      );
      return Buffer.concat([int16(typeof given === 'number' ? given : 0), text(name), int8(0), array(partitions)]);
    });
    const brokers = sites.map((site, index) => Buffer.concat([int32(index + 1), ...place(site, cluster), NONE]));
    return Buffer.concat([NO_DELAY, array(brokers), text('stub'), int32(1), array(topics)]);
  },
  FindCoordinator(_request, cluster, sites) {
    const last = sites.at(-1) as Site;
    return Buffer.concat([
      NO_DELAY,
      int16(cluster.coordinator ?? 0),
      NONE,
      int32(sites.length),
      ...place(last, cluster),
    ]);
  },
  OffsetFetch(_request, { topics }) {
    const found = Object.entries(topics).map(([name, given]) => {
      const partitions = partitionsOf(given).map(({ committed = -1n }, index) =>
        Buffer.concat([int32(index), int64(committed), NONE, int16(0)]),
      );
      return Buffer.concat([text(name), array(partitions)]);
    });
    return Buffer.concat([array(found), int16(0)]);
  },
  ListOffsets(request, { topics }) {
    request.int32();
    const found = request.array(() => {
      const name = request.text() ?? '';
      const ends = request.array(() => {
        const index = request.int32();
        request.int64();
        const { end = 0n } = partitionsOf(topics[name])[index] ?? {};
        return Buffer.concat([int32(index), int16(0), int64(-1n), int64(end)]);
      });
      return Buffer.concat([text(name), array(ends)]);
    });
    return array(found);
  },
};
