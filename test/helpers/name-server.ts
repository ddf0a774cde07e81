import { createSocket } from 'node:dgram';
import type { Test } from 'tap';

export interface NameRecords {
  a?: string[];
  /** Of the forms ::1 and ::9. */
  aaaa?: string[];
  /** An alias of this name. Without addresses it leads to nothing. */
  cname?: string;
  ttl?: number;
  code?: number;
  /** Only of the query for IPv6 addresses. */
  code6?: number;
  silent?: boolean;
  /** Before the query for IPv6 addresses is answered. */
  delay6Ms?: number;
}

/** A name server on loopback that knows these names and counts what it is asked. */
export async function createNameServer(
  t: Pick<Test, 'teardown'>,
  records: Record<string, NameRecords>,
  { host = '127.0.0.1', port = 0 } = {},
) {
  const asked: string[] = [];
  let isOpen = true;
  const socket = createSocket('udp4', (query, peer) => {
    let end = 12;
    const labels: string[] = [];
    while (query[end] !== 0) {
      const length = query[end] as number;
      labels.push(query.toString('latin1', end + 1, end + 1 + length));
      end += length + 1;
    }
    const name = labels.join('.').toLowerCase();
    const type = query.readUInt16BE(end + 1);
    asked.push(`${name} ${type === 1 ? 'A' : 'AAAA'}`);
    const { a = [], aaaa = [], cname, ttl = 60, silent, ...more } = records[name] ?? { code: 3 };
    const code = (type === 28 ? more.code6 : undefined) ?? more.code ?? 0;
    if (silent) return;
    const owner = cname === undefined ? Buffer.from([0xc0, 0x0c]) : encodeName(cname);
    const record = (ownerName: Buffer, recordType: number, data: Buffer) => {
      const head = Buffer.alloc(10);
      head.writeUInt16BE(recordType, 0);
      head.writeUInt16BE(1, 2);
      head.writeUInt32BE(ttl, 4);
      head.writeUInt16BE(data.length, 8);
      return Buffer.concat([ownerName, head, data]);
    };
    const answers = (type === 1 ? a : aaaa).map((address) => record(owner, type, encodeAddress(address)));
    if (cname !== undefined) answers.unshift(record(Buffer.from([0xc0, 0x0c]), 5, encodeName(cname)));
    const head = Buffer.from(query.subarray(0, end + 5));
    head.writeUInt16BE(0x8180 | code, 2);
    head.writeUInt16BE(answers.length, 6);
    head.writeUInt16BE(0, 10);
    setTimeout(
      () => isOpen && socket.send(Buffer.concat([head, ...answers]), peer.port, peer.address),
      type === 28 ? more.delay6Ms : 0,
    );
  });
  await new Promise<void>((resolve) => socket.bind(port, host, resolve));
  t.teardown(() => {
    isOpen = false;
    socket.close();
  });
  const bound = socket.address().port;
  return { asked, port: bound, server: `${host}:${bound}` };
}

function encodeAddress(address: string): Buffer {
  if (address.includes('.')) return Buffer.from(address.split('.').map(Number));
  return Buffer.concat([Buffer.alloc(15), Buffer.from([Number(address.at(-1))])]);
}

function encodeName(name: string): Buffer {
  const labels = name.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
  return Buffer.concat([...labels, Buffer.from([0])]);
}
