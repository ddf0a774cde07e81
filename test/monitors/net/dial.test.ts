import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { type Test, test } from 'tap';
import type { NameResolver } from '../../../src/monitors/monitor.ts';
import { createGate } from '../../../src/monitors/net/gate.ts';
import { createNameResolver } from '../../../src/monitors/net/names/resolver.ts';
import { TimeLimit } from '../../../src/monitors/net/time-limit.ts';
import { createNameServer } from '../../helpers/name-server.ts';
import { check, serve, serveRaw } from '../support.ts';

const hasIpv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1'));
const namesOf = (...addresses: string[]): NameResolver => ({ resolve: async () => addresses });

/** Makes an address swallow packets: a process that is stopped listens there, and its queue of connections is full. */
async function swallow(t: Pick<Test, 'teardown'>, host: string, port: number): Promise<void> {
  const program = `require('net').createServer().listen({ host: '${host}', port: ${port}, backlog: 1 }, () => console.log())`;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  child.kill('SIGSTOP');
  const fillers = Array.from({ length: 4 }, () => connect({ host, port }).on('error', () => {}));
  t.teardown(() => {
    for (const socket of fillers) socket.destroy();
    child.kill('SIGKILL');
  });
  await new Promise((resolve) => setTimeout(resolve, 100));
}

test('a name without a usable address is not checked on this machine', async (t) => {
  const site = await serve(t, (_request, response) => response.end('ok'));
  const { server } = await createNameServer(t, { 'dangling.test': { cname: 'nowhere.test' } });
  for (const names of [createNameResolver({ servers: [server] }), namesOf()]) {
    t.match(await check({ uri: `http://dangling.test:${site.port}/` }, { names }), {
      outcome: 'down',
      reason: 'dns',
      detail: /^ENODATA: the name has no /,
    });
  }
  t.equal(site.taken, 0);
  for (const host of ['127.1', '0x7f.1', '2130706433']) {
    // Addresses of http are read before; other libraries may not.
    const { Dial } = await import('../../../src/monitors/net/dial.ts');
    const message = await new Promise((resolve) => {
      const limit = new TimeLimit({ timeoutMs: 5_000, signal: new AbortController().signal });
      t.teardown(() => limit.dispose());
      const parts = { names: namesOf('127.0.0.1'), gate: createGate({ mode: 'off' }) };
      new Dial({ host, port: site.port, tls: null }, false, parts, limit, (...[failure]) => resolve(failure?.message));
    });
    t.match(message, /^EBADNAME: .* is neither a name nor an address$/);
  }
});

test('the next address is tried when one refuses, or has not answered for a quarter of a second', async (t) => {
  const site = await serve(t, (_request, response) => response.end('ok'));
  const uri = `http://many.test:${site.port}/`;
  t.match(await check({ uri }, { names: namesOf('127.0.0.41', '127.0.0.1') }), { outcome: 'up' });
  await swallow(t, '127.0.0.42', site.port);
  await swallow(t, '127.0.0.43', site.port);
  const begunAt = performance.now();
  const result = await check({ uri }, { names: namesOf('127.0.0.42', '127.0.0.43', '127.0.0.1') });
  const tookMs = performance.now() - begunAt;
  t.match(result, { outcome: 'up', facts: { remote_address: '127.0.0.1' } });
  t.ok(tookMs > 490 && tookMs < 1_500, `after two delays, not two time-outs: ${tookMs} ms`);
  t.ok((result.timings.connect ?? 9) < 0.2, 'the one that is connected is timed');
  t.match(await check({ uri }, { names: namesOf('127.0.0.44', '127.0.0.45') }), {
    outcome: 'down',
    reason: 'connect',
    detail: /ECONNREFUSED 127\.0\.0\.44:\d+ \(none of 2 addresses can be reached\)/,
  });
  t.match(await check({ uri }, { names: namesOf('127.0.0.42', '127.0.0.44'), timeoutMs: 400 }), {
    outcome: 'down',
    reason: 'timeout',
  });
  await site.quiet();
});

test('both are connected at once: one is used, the other is closed', async (t) => {
  const sockets: string[] = [];
  const site = await serveRaw(t, (socket) => {
    sockets.push('open');
    socket.on('close', () => sockets.push('closed'));
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n'));
  });
  const many = Array.from({ length: 80 }, (_, index) => `127.0.1.${index + 1}`);
  const { port } = site;
  t.match(await check({ uri: `http://many.test:${port}/` }, { names: namesOf(...many.slice(0, 63), '127.0.0.1') }), {
    outcome: 'up',
  });
  t.match(await check({ uri: `http://many.test:${port}/` }, { names: namesOf(...many, '127.0.0.1') }), {
    outcome: 'down',
    detail: /none of 64 addresses can be reached/,
  });
  await site.quiet();
  t.strictSame(sockets, ['open', 'closed']);
});

test('one inner address among others is refused, whatever the order', async (t) => {
  const gate = createGate({ mode: 'deny_internal', allow: ['127.0.0.1'] });
  const site = await serve(t, (_request, response) => response.end('ok'));
  const uri = `http://many.test:${site.port}/`;
  for (const names of [namesOf('127.0.0.1', '169.254.169.254'), namesOf('::ffff:10.0.0.1', '127.0.0.1')]) {
    t.match(await check({ uri }, { names, gate }), { outcome: 'down', reason: 'forbidden_address' });
  }
  t.equal(site.taken, 0);
});

test('ip_version: one version only, or both', { skip: hasIpv6 ? false : 'this machine has no ::1' }, async (t) => {
  const seen = serve(t, (request, response) => response.end(request.socket.remoteAddress), '127.0.0.1');
  const { port } = await seen;
  const six = await serve(t, (_request, response) => response.end('six'), '::1');
  const { server } = await createNameServer(t, {
    'both.test': { a: ['127.0.0.1'], aaaa: ['::1'] },
    'four.test': { a: ['127.0.0.1'] },
  });
  const names = createNameResolver({ servers: [server], versions: () => [6, 4] });
  const uri = `http://both.test:${port}/`;
  t.match(await check({ uri }, { names }), { outcome: 'up', facts: { remote_address: '127.0.0.1' } });
  t.match(await check({ uri, ip_version: 'auto' }, { names }), { outcome: 'up' });
  t.match(await check({ uri, ip_version: 4 }, { names }), { outcome: 'up' });
  t.match(await check({ uri, ip_version: 6 }, { names }), { outcome: 'down', reason: 'connect', detail: /::1/ });
  t.match(await check({ uri: `http://both.test:${six.port}/`, ip_version: 6 }, { names }), {
    outcome: 'up',
    facts: { remote_address: '::1' },
  });
  t.match(await check({ uri: `http://four.test:${port}/`, ip_version: 6 }, { names }), {
    outcome: 'down',
    reason: 'dns',
    detail: 'ENODATA: the name has no address',
  });
});
