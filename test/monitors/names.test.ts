import { createSocket } from 'node:dgram';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Test, test } from 'tap';
import { createNameResolver } from '../../src/monitors/names.ts';

type Records = Record<string, { a?: string[]; aaaa?: string[]; ttl?: number; code?: number; silent?: boolean }>;

/** A name server on loopback that knows these names and counts what it is asked. */
async function createNameServer(t: Pick<Test, 'teardown'>, records: Records) {
  const asked: string[] = [];
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
    const { a = [], aaaa = [], ttl = 60, code = 0, silent } = records[name] ?? { code: 3 };
    if (silent) return;
    const answers = (type === 1 ? a : aaaa).map((address) => {
      const data =
        type === 1
          ? Buffer.from(address.split('.').map(Number))
          : Buffer.concat([Buffer.alloc(15), Buffer.from([Number(address.at(-1))])]);
      const record = Buffer.alloc(12);
      record.writeUInt16BE(0xc00c, 0);
      record.writeUInt16BE(type, 2);
      record.writeUInt16BE(1, 4);
      record.writeUInt32BE(ttl, 6);
      record.writeUInt16BE(data.length, 10);
      return Buffer.concat([record, data]);
    });
    const head = Buffer.from(query.subarray(0, end + 5));
    head.writeUInt16BE(0x8180 | code, 2);
    head.writeUInt16BE(answers.length, 6);
    head.writeUInt16BE(0, 10);
    socket.send(Buffer.concat([head, ...answers]), peer.port, peer.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  t.teardown(() => socket.close());
  return { asked, server: `127.0.0.1:${socket.address().port}` };
}

test('names: hosts file, IPv4, IPv6 where there is no IPv4, search domains, none', async (t) => {
  const { asked, server } = await createNameServer(t, {
    'four.test': { a: ['192.0.2.4', '192.0.2.5'], aaaa: ['::4'] },
    'six.test': { aaaa: ['::6'] },
    'empty.test': {},
    'service.cluster.test': { a: ['192.0.2.9'] },
    'failing.test': { code: 2 },
  });
  const folder = t.testdir({
    hosts: '',
    resolv: 'search cluster.test other.test # local\noptions ndots:1 timeout:9\n',
  });
  writeFileSync(join(folder, 'hosts'), '::1 here.test # loopback\n127.0.0.9\tHere.test alias\nnonsense here.test\n');
  const names = createNameResolver({
    servers: [server],
    hostsFile: join(folder, 'hosts'),
    resolvConf: join(folder, 'resolv'),
  });
  t.strictSame(await names.resolve('here.TEST'), ['127.0.0.9', '::1']);
  t.strictSame(await names.resolve('alias'), ['127.0.0.9']);
  t.strictSame(await names.resolve('localhost'), ['127.0.0.1', '::1']);
  t.strictSame(await names.resolve('a.localhost.'), ['127.0.0.1', '::1']);
  t.strictSame(asked, [], 'nobody was asked for those');
  t.strictSame(await names.resolve('four.test'), ['192.0.2.4', '192.0.2.5']);
  t.strictSame(await names.resolve('six.test'), ['::6']);
  t.strictSame(await names.resolve('service'), ['192.0.2.9']);
  await t.rejects(names.resolve('empty.test'), { code: 'ENODATA' });
  await t.rejects(names.resolve('missing.test'), { code: 'ENOTFOUND' });
  await t.rejects(names.resolve('missing'), { code: 'ENOTFOUND' });
  await t.rejects(names.resolve('failing.test'), { code: 'ESERVFAIL' });
  asked.length = 0;
  await t.rejects(names.resolve('missing.test.'), { code: 'ENOTFOUND' });
  t.strictSame(asked, ['missing.test A'], 'a dot at the end forbids search domains');
});

test('answers are kept for their time to live, failures for two seconds, and one query serves all', async (t) => {
  const { asked, server } = await createNameServer(t, {
    'short.test': { a: ['192.0.2.1'], ttl: 5 },
    'long.test': { a: ['192.0.2.2'], ttl: 86_400 },
    'failing.test': { code: 2 },
  });
  let nowMs = 0;
  const names = createNameResolver({ servers: [server], resolvConf: '/dev/null', now: () => nowMs, cacheSize: 3 });
  const count = async (name: string) => {
    const before = asked.length;
    await names.resolve(name).catch(() => {});
    return asked.length - before;
  };
  await Promise.all(Array.from({ length: 50 }, () => names.resolve('short.test')));
  t.equal(asked.length, 1);
  nowMs = 4_999;
  t.equal(await count('short.test'), 0);
  nowMs = 5_000;
  t.equal(await count('short.test'), 1);
  t.equal(await count('long.test'), 1);
  nowMs += 59_999;
  t.equal(await count('long.test'), 0);
  nowMs += 1;
  t.equal(await count('long.test'), 1, 'no longer than a minute');
  t.ok((await count('none.test')) > 0);
  t.equal(await count('none.test'), 0);
  nowMs += 2_000;
  t.ok((await count('none.test')) > 0);
  t.ok((await count('failing.test')) > 0);
  t.ok((await count('failing.test')) > 0, 'the failure of a server is nobody’s name');
  for (const name of ['a.test', 'b.test', 'c.test']) await count(name);
  t.equal(await count('long.test'), 1, 'the cache is bounded');
});

test('a name server that is silent delays one name and no other', async (t) => {
  const { server } = await createNameServer(t, { 'silent.test': { silent: true }, 'good.test': { a: ['192.0.2.3'] } });
  const names = createNameResolver({ servers: [server], resolvConf: '/dev/null', timeoutMs: 200 });
  const silent = names.resolve('silent.test');
  silent.catch(() => {});
  for (let i = 0; i < 20; i++) t.strictSame(await names.resolve('good.test'), ['192.0.2.3']);
  await t.rejects(silent, { code: 'ETIMEOUT' });
});
