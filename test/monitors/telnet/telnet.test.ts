import { spawnSync } from 'node:child_process';
import type { Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { test } from 'tap';
import { formatProblem } from '../../../src/core/validation.ts';
import { createPrepare } from '../../../src/jobs/prepare.ts';
import { createJobRules } from '../../../src/jobs/rules.ts';
import { monitors } from '../../../src/monitors/index.ts';
import { createGate } from '../../../src/monitors/net/gate.ts';
import { TelnetDecoder } from '../../../src/monitors/telnet/decoder.ts';
import { checkBy, context, listen, pem, serveRaw } from '../support.ts';
import { PASSWORD, SERVERS, speak } from './servers.ts';

const ca = pem('ca');
const check = (options: object, more: Parameters<typeof checkBy>[2] = {}) => checkBy('telnet', options, more);
const rules = createJobRules({ monitors, context, cronProblem: () => null });
const password = encodeURIComponent(PASSWORD);

for (const { name, start, lacks } of SERVERS) {
  test(`options, a login and what is said then: ${name}`, { skip: lacks }, async (t) => {
    const { port, faults } = await start(t);
    const at = (credentials: string) => `telnet://${credentials}127.0.0.1:${port}`;
    const up = await check({ uri: at('') });
    t.match(up, { outcome: 'up', status: null, responseTime: Number, bytes: Number, values: undefined });
    t.match(up.facts, { remote_address: '127.0.0.1' });
    t.match(await check({ uri: at(''), steps: [{ expect: 'switch login: $' }] }), { outcome: 'up' });
    const steps = [{ expect: 'switch> $' }, { send: 'hello\r\n', expect: 'you said hello[\\s\\S]*> $' }];
    const uri = at(`probe:${password}@`);
    t.match(await check({ uri }), { outcome: 'up', status: 'OK' });
    t.match(await check({ uri, steps }), { outcome: 'up', status: 'OK', timings: { transfer: Number } });
    t.match(await check({ uri, steps: [{ send: 'exit\r\n', expect: 'never' }] }), {
      ...{ outcome: 'down', reason: 'body', detail: /^step 1: (pattern not found before the )?connection closed/ },
    });
    t.match(await check({ uri: at('probe:wrong@') }), {
      ...{ outcome: 'down', reason: 'status', status: 'DENIED', responseTime: Number },
      detail: /^the login is refused: "Login incorrect/,
    });
    t.match(await check({ uri: at('probe@') }, { timeoutMs: 700 }), {
      ...{ outcome: 'down', reason: 'timeout', detail: 'no prompt after the login within 700 ms' },
    });
    t.match(await check({ uri, prompts: { ready: 'never' } }, { timeoutMs: 700 }), { reason: 'timeout' });
    t.match(await check({ uri, prompts: { username: 'login', password: 'word', ready: '>' } }), { outcome: 'up' });
    t.strictSame(faults, []);
  });
}

test('packages of types are loaded with their first check', (t) => {
  const index = new URL('../../../src/monitors/index.ts', import.meta.url).href;
  const program = `
    await import(${JSON.stringify(index)});
    const { cache } = (await import('node:module')).createRequire('/');
    console.log(Object.keys(cache).filter((file) => /node_modules.(ssh2|socks)./.test(file)).length);
  `;
  const { stdout } = spawnSync(process.execPath, ['--import=tsx', '--input-type=module', '--eval', program]);
  t.equal(`${stdout}`, '0\n');
  t.end();
});

test('bytes of their own, fillers, and commands in whatever pieces', (t) => {
  const sent = Buffer.from([
    ...Buffer.from('a\r\0b\r\n\0'),
    255,
    255,
    255,
    241,
    255,
    250,
    24,
    1,
    255,
    255,
    2,
    255,
    240,
    99,
  ]);
  for (let size = 1; size <= sent.length; size++) {
    const replies: Buffer[] = [];
    const decoder = new TelnetDecoder((reply) => replies.push(reply));
    const parts: Buffer[] = [];
    for (let at = 0; at < sent.length; at += size) parts.push(decoder.decode(sent.subarray(at, at + size)));
    t.strictSame(Buffer.concat(parts), Buffer.from([...Buffer.from('a\rb\r\n\0'), 255, 99]), `in pieces of ${size}`);
    t.strictSame(replies, []);
  }
  const replies: Buffer[] = [];
  const decoder = new TelnetDecoder((reply) => replies.push(reply));
  decoder.decode(Buffer.from([255, 251, 1, 255, 253, 255, 255, 252, 3, 255, 254, 4]));
  t.strictSame(Buffer.concat(replies), Buffer.from([255, 254, 1, 255, 252, 255]), 'what it stops needs no answer');
  t.end();
});

test('TLS, a password alone, and what is slow', async (t) => {
  const faults: string[] = [];
  const server = createTlsServer({ key: pem('server'), cert: pem('server') }, speak(faults));
  server.on('tlsClientError', () => {});
  const site = await listen(t, server, 'telnets', '127.0.0.1');
  const uri = site.uri.replace('//', `//probe:${password}@`);
  t.match(await check({ uri, tls: { ca } }), {
    outcome: 'up',
    timings: { tls: Number },
    values: { days_left: Number },
  });
  t.match(await check({ uri }), { outcome: 'down', reason: 'tls' });
  t.match(await check({ uri, tls: { ca, expiry_warning_days: 36_500 } }), { outcome: 'degraded', reason: 'tls' });
  t.strictSame(faults, []);
  const line = await serveRaw(
    t,
    (socket) => {
      socket.write('\r\nUser Access Verification\r\n\r\nPassword: ');
      socket.on('data', (data) => socket.write(`${data}` === 'secret\r\n' ? '\r\nrouter>' : '\r\n% Bad passwords\r\n'));
    },
    'telnet',
  );
  t.match(await check({ uri: line.uri.replace('//', '//:secret@') }), { outcome: 'up', status: 'OK' });
  t.match(await check({ uri: line.uri.replace('//', '//:wrong@') }), { reason: 'status', status: 'DENIED' });
  t.match(await check({ uri: line.uri, max_response_time_seconds: 1e-9 }), { outcome: 'degraded', reason: 'latency' });
});

test('a closed port, a name that is none, and an address that the gate refuses', async (t) => {
  t.match(await check({ uri: 'telnet://127.0.0.99:9' }), { outcome: 'down', reason: 'connect', status: null });
  const names = { resolve: async () => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' })) };
  t.match(await check({ uri: 'telnet://switch.invalid' }, { names }), { outcome: 'down', reason: 'dns' });
  const gate = createGate({ mode: 'deny_internal' });
  t.match(await check({ uri: 'telnet://127.0.0.1' }, { gate }), { outcome: 'down', reason: 'forbidden_address' });
});

test('a password that a server repeats is masked', async (t) => {
  const site = await serveRaw(
    t,
    (socket) => {
      socket.write('login: ');
      socket.on('data', (data) => socket.write(`${data}`.startsWith('me') ? 'password: ' : `invalid password ${data}`));
    },
    'telnet',
  );
  const job = rules.toJob({ uri: site.uri.replace('//', `//me:${password}@`) }, 1);
  const probe = createPrepare(monitors, context)(job);
  t.match(await probe({ timeoutMs: 5_000, signal: new AbortController().signal }), {
    detail: 'the login is refused: "invalid password ********"',
  });
});

type Hostile = readonly [name: string, onSocket: (socket: Socket) => void, found: object, options?: object];

const flood =
  (...bytes: readonly number[]) =>
  (socket: Socket): void => {
    const many = Buffer.concat(Array.from({ length: 10_000 }, () => Buffer.from(bytes)));
    const more = () => {
      while (!socket.destroyed && socket.write(many));
    };
    socket.on('drain', more);
    more();
  };

function drip(socket: Socket): void {
  const timer = setInterval(() => socket.write('x'), 1);
  socket.on('close', () => clearInterval(timer));
}

const steps = { steps: [{ expect: 'never' }] };

const HOSTILE: readonly Hostile[] = [
  ['closes at once', (socket) => socket.end(), { reason: 'connect', detail: 'connection closed before the greeting' }],
  ['resets', (socket) => socket.resetAndDestroy(), { reason: 'connect' }],
  ['is silent', () => {}, { reason: 'timeout', detail: 'no greeting within 700 ms' }],
  ['drips', drip, { reason: 'timeout' }, steps],
  ['floods', flood(120), { reason: 'too_large', detail: /in the first 65536 bytes/ }, steps],
  ['floods before it asks', flood(120), { reason: 'too_large', detail: /^no prompt for the user name in/ }],
  ['offers without end', flood(255, 251, 1), { reason: 'protocol', detail: /over 500 commands/ }, steps],
  ['asks without end', flood(255, 253, 24), { reason: 'protocol', detail: /over 500 commands/ }, steps],
  ['does nothing without end', flood(255, 241), { reason: 'protocol', detail: /over 500 commands/ }, steps],
  [
    'negotiates without end',
    (socket) => {
      socket.write(Buffer.from([255, 250, 24]));
      flood(1)(socket);
    },
    { reason: 'protocol', detail: /in over 4096 bytes/ },
    steps,
  ],
  ['ends within a command', (socket) => socket.end(Buffer.from([255, 251])), { reason: 'body' }, steps],
  ['floods with bytes of their own', flood(255, 255), { reason: 'too_large' }, steps],
  [
    'closes after the user name',
    (socket) => {
      socket.write('login: ');
      socket.once('data', () => socket.end());
    },
    { reason: 'body', detail: 'prompt for the password: connection closed without a text' },
  ],
  ['is a website', (socket) => socket.end('HTTP/1.1 400 Bad\r\n\r\n'), { reason: 'body', detail: /"HTTP\/1.1 400/ }],
];

test('hostile servers end as their own failure, and leave nothing open', async (t) => {
  for (const [name, onSocket, found, options] of HOSTILE) {
    const site = await serveRaw(t, (socket) => onSocket(socket.resume()), 'telnet');
    const isGreeting = ['closes at once', 'is silent'].includes(name);
    const uri = options || isGreeting ? site.uri : site.uri.replace('//', '//me:secret@');
    const result = await check({ uri, ...options }, { timeoutMs: 700 });
    t.match(result, { outcome: 'down', ...found }, `${name}: ${result.reason} ${result.detail}`);
    await site.quiet();
  }
});

const ACCEPTED = 'a telnet:// or telnets:// address of a host, perhaps with a port and credentials';
const PROBLEMS: ReadonlyArray<readonly [options: object, ...problems: string[]]> = [
  [{ uri: 'telnet://a.test:0' }, `uri: given "telnet://a.test:0", accepted: ${ACCEPTED}, a port 1 to 65535`],
  [{ uri: 'telnet://a.test/x' }, `uri: given "telnet://a.test/x", accepted: ${ACCEPTED}, without a path`],
  [
    { uri: 'telnet://me%0d%0a:x@a.test' },
    'uri: given "telnet://me%0d%0a:********@a.test", accepted: an address of a host with a user name and password of one line',
  ],
  [
    { uri: 'telnet://a.test', prompts: { ready: '>' } },
    'prompts: given "********", accepted: nothing without credentials in the address',
  ],
  [
    { uri: 'telnet://a:b@a.test', prompts: { ready: '(' } },
    'prompts.ready: given "(", accepted: a regular expression of RE2: missing closing ): `(`',
  ],
  [{ uri: 'telnet://a.test', tls: {} }, 'tls: given "********", accepted: nothing without TLS: a telnets:// address'],
];

test('what is wrong with a telnet job', async (t) => {
  for (const [definition, ...problems] of PROBLEMS) {
    const result = rules.validate(definition);
    t.strictSame(result.ok ? [] : result.problems.map(formatProblem), problems, JSON.stringify(definition));
  }
  for (const uri of ['telnet://a.test', 'TELNETS://[::1]', `telnet://:$\{secret:KEY}@a.test`])
    t.match(rules.validate({ uri }), { ok: true }, uri);
});
