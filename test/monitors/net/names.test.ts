import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { createNameResolver } from '../../../src/monitors/net/names/resolver.ts';
import { createNameServer } from '../../helpers/name-server.ts';

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
    versions: () => [4],
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
  const names = createNameResolver({
    servers: [server],
    resolvConf: '/dev/null',
    now: () => nowMs,
    cacheSize: 3,
    versions: () => [4],
  });
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

test('an alias without an address is no success: the other version is asked for, then it is ENODATA', async (t) => {
  const { asked, server } = await createNameServer(t, {
    'dangling.test': { cname: 'nowhere.test' },
    'six.test': { cname: 'end.test', aaaa: ['::6'] },
    'half.test': { code6: 2, a: ['192.0.2.7'], ttl: 60 },
    'broken.test': { code6: 2 },
  });
  for (const versions of [[4], [4, 6], [6, 4]] as const) {
    asked.length = 0;
    const names = createNameResolver({ servers: [server], resolvConf: '/dev/null', versions: () => versions });
    await t.rejects(names.resolve('dangling.test'), { code: 'ENODATA' });
    t.strictSame(asked.toSorted(), ['dangling.test A', 'dangling.test AAAA']);
    t.strictSame(await names.resolve('six.test'), ['::6']);
    t.strictSame(await names.resolve('half.test'), ['192.0.2.7'], 'a version that cannot be asked for is left out');
    await t.rejects(names.resolve('broken.test'), { code: 'ESERVFAIL' }, 'that there is no address is not known');
    await t.rejects(names.resolve('six.test', 4), { code: 'ENODATA' });
    t.strictSame(await names.resolve('six.test', 6), ['::6']);
    await t.rejects(names.resolve('half.test', 6), { code: 'ESERVFAIL' });
    t.strictSame(await names.resolve('localhost', 6), ['::1']);
  }
});

test('addresses of both versions alternate; one that is slow is waited for a moment', async (t) => {
  const { server } = await createNameServer(t, {
    'both.test': { a: ['192.0.2.1', '192.0.2.2', '192.0.2.3'], aaaa: ['::7'] },
    'slow.test': { a: ['192.0.2.1'], aaaa: ['::7'], delay6Ms: 2_000 },
    'soon.test': { a: ['192.0.2.1'], aaaa: ['::7'], delay6Ms: 10 },
    'only-slow.test': { aaaa: ['::7'], delay6Ms: 200 },
  });
  const names = createNameResolver({ servers: [server], resolvConf: '/dev/null', versions: () => [6, 4] });
  t.strictSame(await names.resolve('both.test'), ['::7', '192.0.2.1', '192.0.2.2', '192.0.2.3']);
  t.strictSame(await names.resolve('soon.test'), ['::7', '192.0.2.1']);
  const begunAt = performance.now();
  t.strictSame(await names.resolve('slow.test'), ['192.0.2.1']);
  t.ok(performance.now() - begunAt < 1_500, 'the slow version does not hold up the other');
  t.strictSame(await names.resolve('only-slow.test'), ['::7']);
});

test('resolv.conf is read again: other servers are asked, and what the old ones said is forgotten', async (t) => {
  const folder = t.testdir({ resolv: 'nameserver 127.0.0.1\n' });
  const resolvConf = join(folder, 'resolv');
  const records = (address: string) => ({ 'moving.test': { a: [address] }, 'gone.test': { silent: true } });
  const first = await createNameServer(t, records('192.0.2.1'), { host: '127.0.0.31' });
  const { port } = first;
  const second = await createNameServer(t, records('192.0.2.2'), { host: '127.0.0.32', port });
  const read = (line: string) => writeFileSync(resolvConf, line);
  let nowMs = 0;
  const names = createNameResolver({ resolvConf, now: () => nowMs, versions: () => [4], timeoutMs: 300, port });
  read('nameserver 127.0.0.31\n');
  t.strictSame(await names.resolve('moving.test'), ['192.0.2.1']);
  const waiting = names.resolve('gone.test');
  waiting.catch(() => {});
  read('nameserver 127.0.0.32\n');
  t.strictSame(await names.resolve('moving.test'), ['192.0.2.1'], 'not looked at each time');
  nowMs = 10_000;
  t.strictSame(await names.resolve('moving.test'), ['192.0.2.2']);
  read('');
  nowMs = 90_000;
  t.strictSame(await names.resolve('moving.test'), ['192.0.2.2'], 'a file that is being written changes nothing');
  await t.rejects(waiting, { code: 'ETIMEOUT' }, 'a query under way goes on');
  t.ok(second.asked.length > 0);
});
