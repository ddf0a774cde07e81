import type { Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { test } from 'tap';
import { formatProblem } from '../../../src/core/validation.ts';
import { createJobRules } from '../../../src/jobs/rules.ts';
import { monitors } from '../../../src/monitors/index.ts';
import { createGate } from '../../../src/monitors/net/gate.ts';
import { checkBy, context, listen, pem, serveRaw } from '../support.ts';
import { FORBIDDEN_PORT, PASSWORD, serveSocks4, serveSocks5 } from './servers.ts';

const ca = pem('ca');
const check = (options: object, more: Parameters<typeof checkBy>[2] = {}) => checkBy('socks', options, more);
const rules = createJobRules({ monitors, context, cronProblem: () => null });
const password = encodeURIComponent(PASSWORD);
const greeting = (socket: Socket) => {
  socket.write('220 mail.test ready\r\n');
  socket.on('data', () => socket.end('221 bye\r\n'));
};
const steps = [{ expect: '^220 ' }, { send: 'QUIT\r\n', expect: '^221 ' }];
/** Every name leads here. */
const here = { resolve: async () => ['::1', '127.0.0.1'] };

for (const [version, serve] of [
  ['4', serveSocks4],
  ['5', serveSocks5],
] as const) {
  test(`a target through a real proxy of SOCKS${version}, by address and by name`, async (t) => {
    const proxy = await serve(t);
    const site = await serveRaw(t, greeting);
    const at = (scheme: string, more = '') => `${scheme}://${more}127.0.0.1:${proxy.port}`;
    const [local, remote] = version === '4' ? ['socks4', 'socks4a'] : ['socks5', 'socks5h'];
    const up = await check({ uri: at(local), target: `127.0.0.1:${site.port}` });
    t.match(up, { outcome: 'up', status: 'OK', responseTime: Number, values: undefined });
    t.strictSame(Object.keys(up.timings), ['connect', 'ttfb']);
    t.match(up.facts, { remote_address: '127.0.0.1' });
    t.match(await check({ uri: at(remote), target: `localhost:${site.port}`, steps }), {
      ...{ outcome: 'up', bytes: 30, timings: { connect: Number, ttfb: Number, transfer: Number } },
    });
    const named = { target: `mail.test:${site.port}`, steps };
    const resolve = version === '5' ? { resolve: 'local' } : {};
    const resolved = await check({ uri: at(local, 'me@'), ...named, ...resolve }, { names: here });
    t.match(resolved.timings, { dns: Number });
    const own = version === '4' ? '127.0.0.1' : /^(0000:){7}0001$/;
    t.match(
      proxy.asked.map((asked) => asked.replace(/:\d+$/, '')),
      ['127.0.0.1', 'localhost', own],
    );
    t.match(await check({ uri: at(remote), target: '127.0.0.1:9' }), {
      ...{ outcome: 'down', reason: 'status', responseTime: Number },
      status: version === '4' ? 'Failed' : 'ConnectionRefused',
      detail: /^the proxy does not connect to the target: /,
    });
    t.match(
      await check(
        { uri: at(remote), target: `127.0.0.1:${site.port}`, steps: [{ expect: '^SSH' }] },
        { timeoutMs: 700 },
      ),
      {
        ...{ outcome: 'down', reason: 'timeout', status: 'OK', detail: 'no expected text of step 1 within 700 ms' },
      },
    );
    t.match(await check({ uri: at(remote), target: `127.0.0.1:${site.port}`, max_response_time_seconds: 1e-9 }), {
      ...{ outcome: 'degraded', reason: 'latency' },
    });
    const other = version === '4' ? 'socks5' : 'socks4a';
    t.match(await check({ uri: at(other), target: `127.0.0.1:${site.port}` }, { timeoutMs: 700 }), {
      ...{ outcome: 'down', reason: /connect|protocol|status/ },
    });
  });
}

test('TLS with the target, through the proxy', async (t) => {
  const proxy = await serveSocks5(t);
  const server = createTlsServer({ key: pem('server'), cert: pem('server') }, (socket) => socket.end('secret\r\n'));
  server.on('tlsClientError', () => {});
  const site = await listen(t, server, 'tcps', '127.0.0.1');
  const job = { uri: proxy.uri, target: `127.0.0.1:${site.port}`, steps: [{ expect: '^secret' }] };
  t.match(await check({ ...job, tls: { ca } }), {
    ...{ outcome: 'up', timings: { tls: Number }, values: { days_left: Number } },
    facts: { certificate: { trusted: true } },
  });
  t.match(await check({ ...job, tls: {} }), { outcome: 'down', reason: 'tls', status: 'OK' });
  t.match(await check({ ...job, tls: { ca, expiry_warning_days: 36_500 } }), { outcome: 'degraded', reason: 'tls' });
  const plain = await serveRaw(t, (socket) => socket.end('no TLS\r\n'));
  t.match(await check({ ...job, target: `127.0.0.1:${plain.port}`, tls: {} }), { outcome: 'down', reason: 'tls' });
});

test('a login: the right one, another one, none', async (t) => {
  const proxy = await serveSocks5(t, { hasLogin: true });
  const site = await serveRaw(t, greeting);
  const target = `127.0.0.1:${site.port}`;
  const as = (credentials: string) => proxy.uri.replace('//', `//${credentials}`);
  t.match(await check({ uri: as(`probe:${password}@`), target, steps }), { outcome: 'up' });
  t.match(await check({ uri: as('probe:wrong@'), target }), {
    ...{ outcome: 'down', reason: 'status', status: 'AuthenticationFailed', responseTime: Number },
    detail: 'the proxy refuses the credentials',
  });
  t.match(await check({ uri: as(''), target }), {
    ...{ outcome: 'down', reason: 'status', status: 'NoAcceptableMethod' },
  });
  t.strictSame(proxy.asked.length, 1);
  const forbidden = { uri: as(`probe:${password}@`), target: `127.0.0.1:${FORBIDDEN_PORT}` };
  t.match(await check(forbidden), { outcome: 'down', reason: 'status', status: 'NotAllowed' });
});

test('the gate is asked about the proxy, a target by address, and what is resolved here', async (t) => {
  t.match(await check({ uri: 'socks5://127.0.0.99:9', target: 'a.test:1' }), { outcome: 'down', reason: 'connect' });
  const names = { resolve: async () => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' })) };
  t.match(await check({ uri: 'socks5://proxy.invalid', target: 'a.test:1' }, { names }), { reason: 'dns' });
  const proxy = await serveSocks5(t);
  const gate = createGate({ mode: 'deny_internal', allow: ['127.0.0.1'] });
  const forbidden = { outcome: 'down', reason: 'forbidden_address' };
  const { uri } = proxy;
  t.match(await check({ uri: 'socks5://127.0.0.2', target: 'a.test:1' }, { gate }), forbidden);
  t.match(await check({ uri, target: '127.0.0.3:1' }, { gate }), forbidden);
  t.match(await check({ uri, target: '0x7f.3:1' }, { gate }), forbidden);
  t.match(await check({ uri, target: '[::ffff:10.0.0.1]:1' }, { gate }), forbidden);
  t.match(await check({ uri, target: 'a.test:1', resolve: 'local' }, { gate, names: here }), forbidden);
  t.match(await check({ uri, target: 'a.test:1', resolve: 'local' }, { names }), { outcome: 'down', reason: 'dns' });
  const late = { resolve: () => new Promise<string[]>(() => {}) };
  t.match(await check({ uri, target: 'a.test:1', resolve: 'local' }, { names: late, timeoutMs: 100 }), {
    ...{ outcome: 'down', reason: 'timeout', detail: 'no name lookup within 100 ms' },
  });
  const six = { resolve: async () => ['::1'] };
  t.match(await check({ uri: uri.replace('socks5', 'socks4'), target: 'a.test:1' }, { names: six }), { reason: 'dns' });
  t.strictSame([proxy.asked, proxy.taken], [[], 0], 'and the proxy was asked for nothing');
});

type Hostile = readonly [scheme: string, name: string, onSocket: (socket: Socket) => void, found: object];

const OK5 = Buffer.from([5, 0]);
const REPLY5 = Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
const reply4 = (code: number) => Buffer.from([0, code, 0, 0, 0, 0, 0, 0]);
/** An answer to each thing that is said. */
const answers =
  (...given: readonly (Buffer | string)[]) =>
  (socket: Socket): void => {
    const left = [...given];
    socket.on('data', () => socket.write(left.shift() ?? ''));
  };
const flood =
  (...bytes: readonly number[]) =>
  (socket: Socket): void => {
    const many = Buffer.concat(Array.from({ length: 10_000 }, () => Buffer.from(bytes)));
    const more = () => {
      while (!socket.destroyed && socket.write(many));
    };
    socket.on('drain', more).resume();
    more();
  };
const drip = (socket: Socket) => {
  const timer = setInterval(() => socket.write('\x05'), 5);
  socket.on('close', () => clearInterval(timer)).resume();
};
const refusal = (code: number, status: string): Hostile => [
  ...(['socks5', `refuses by ${code}`] as const),
  answers(OK5, Buffer.from([5, code, 0, 1, 0, 0, 0, 0, 0, 0])),
  { reason: 'status', status },
];

const HOSTILE: readonly Hostile[] = [
  ...['socks4', 'socks5'].flatMap((scheme): Hostile[] => [
    [scheme, 'closes at once', (socket) => socket.resume().end(), { reason: 'connect' }],
    [scheme, 'closes when asked', (socket) => socket.once('data', () => socket.end()), { reason: 'connect' }],
    [scheme, 'resets', (socket) => socket.once('data', () => socket.resetAndDestroy()), { reason: 'connect' }],
    [
      scheme,
      'is silent',
      (socket) => socket.resume(),
      { reason: 'timeout', detail: 'no answer of the proxy within 400 ms' },
    ],
    [scheme, 'is a website', answers('HTTP/1.1 400 Bad Request\r\n\r\n'), { reason: 'protocol' }],
    [scheme, 'floods', flood(5), { reason: /protocol|timeout/ }],
    [scheme, 'drips', drip, { reason: /protocol|timeout/ }],
  ]),
  ['socks4', 'refuses', answers(reply4(91)), { reason: 'status', status: 'Failed' }],
  ['socks4', 'refuses the user', answers(reply4(93)), { reason: 'status', status: 'RejectedIdent' }],
  ['socks4', 'refuses by nothing known', answers(reply4(7)), { reason: 'protocol' }],
  ['socks4', 'says half', answers(reply4(90).subarray(0, 4)), { reason: 'timeout' }],
  ['socks5', 'wants another login', answers(Buffer.from([5, 255])), { reason: 'status', status: 'NoAcceptableMethod' }],
  ['socks5', 'chooses what was not offered', answers(Buffer.from([5, 1])), { reason: 'protocol' }],
  ['socks5', 'speaks SOCKS4', answers(reply4(90)), { reason: 'protocol' }],
  refusal(1, 'Failure'),
  refusal(2, 'NotAllowed'),
  refusal(3, 'NetworkUnreachable'),
  refusal(4, 'HostUnreachable'),
  refusal(5, 'ConnectionRefused'),
  refusal(6, 'TTLExpired'),
  refusal(7, 'CommandNotSupported'),
  refusal(8, 'AddressNotSupported'),
  ['socks5', 'refuses by nothing known', answers(OK5, Buffer.from([5, 99, 0, 1, 0])), { reason: 'protocol' }],
  ['socks5', 'replies half', answers(OK5, REPLY5.subarray(0, 6)), { reason: 'timeout' }],
  ['socks5', 'has a long name', answers(OK5, Buffer.from([5, 0, 0, 3, 255, 65])), { reason: 'timeout' }],
  ['socks5', 'leads nowhere', answers(OK5, REPLY5), { reason: 'timeout', detail: /step 1/ }],
  [
    'socks5',
    'closes the tunnel',
    (socket) => {
      answers(OK5)(socket);
      socket.once('data', () => socket.once('data', () => socket.end(REPLY5)));
    },
    { reason: 'body', detail: /^step 1: / },
  ],
  [
    'socks5',
    'floods through the tunnel',
    (socket) => {
      answers(OK5)(socket);
      socket.once('data', () =>
        socket.once('data', () => {
          socket.write(REPLY5);
          flood(120)(socket);
        }),
      );
    },
    { reason: 'too_large' },
  ],
];

test('hostile proxies end as their own failure, and leave nothing open', async (t) => {
  for (const [scheme, name, onSocket, found] of HOSTILE) {
    const site = await serveRaw(t, onSocket, scheme);
    const job = { uri: site.uri, target: '127.0.0.1:9', steps: [{ expect: 'never' }] };
    const result = await check(job, { timeoutMs: 400 });
    t.match(result, { outcome: 'down', ...found }, `${scheme} ${name}: ${result.reason} ${result.detail}`);
    await site.quiet();
    const controller = new AbortController();
    const aborted = check(job, { signal: controller.signal });
    setTimeout(() => controller.abort(), 20);
    t.equal((await aborted).outcome, 'down', `${scheme} ${name}, aborted`);
    await site.quiet();
  }
});

test('what a target says with the answer of the proxy is not lost', async (t) => {
  const together = answers(OK5, Buffer.concat([REPLY5, Buffer.from('220 ready\r\n')]));
  const site = await serveRaw(t, together, 'socks5');
  t.match(await check({ uri: site.uri, target: 'a.test:25', steps: [{ expect: '^220 ready' }] }), { outcome: 'up' });
});

const ACCEPTED =
  'a socks4://, socks4a://, socks5:// or socks5h:// address of a host, perhaps with a port and credentials';
const target = 'a.test:1';
const PROBLEMS: ReadonlyArray<readonly [options: object, ...problems: string[]]> = [
  [{ uri: 'socks5://a.test:0', target }, `uri: given "socks5://a.test:0", accepted: ${ACCEPTED}, a port 1 to 65535`],
  [{ uri: 'socks5://a.test/x', target }, `uri: given "socks5://a.test/x", accepted: ${ACCEPTED}, without a path`],
  [{ uri: 'socks5://a.test' }, 'target: given nothing, accepted: a value, it is required'],
  [
    { uri: 'socks5://a.test', target: 'a.test' },
    'target: given "a.test", accepted: host:port, to which the proxy is asked to connect',
  ],
  [
    { uri: 'socks5://a.test', target: 'a.test:0' },
    'target: given "a.test:0", accepted: a name or an address of a host and its port, a port 1 to 65535',
  ],
  [
    { uri: 'socks4a://a.test', target: '[::1]:1' },
    'target: given "[::1]:1", accepted: a name or an IPv4 address of a host and its port, SOCKS4 knows no others',
  ],
  [
    { uri: 'socks4://a:secret@a.test', target },
    'uri: given "socks4://a:********@a.test", accepted: a user name alone that the proxy can be told, SOCKS4 knows no password',
  ],
  [
    { uri: 'socks5://:secret@a.test', target },
    'uri: given "socks5://:********@a.test", accepted: a user name and password that the proxy can be told: of 255 bytes each',
  ],
  [
    { uri: 'socks4a://a.test', target, resolve: 'local' },
    'resolve: given "local", accepted: nothing without socks5://, other schemes say it',
  ],
  [
    { uri: 'socks5://a.test', target, steps: [{ expect: '(' }] },
    'steps[0].expect: given "(", accepted: a regular expression of RE2: missing closing ): `(`',
  ],
];

test('what is wrong with a socks job', async (t) => {
  for (const [definition, ...problems] of PROBLEMS) {
    const result = rules.validate(definition);
    t.strictSame(result.ok ? [] : result.problems.map(formatProblem), problems, JSON.stringify(definition));
  }
  for (const uri of [
    'socks5://a.test',
    'SOCKS5H://[::1]:80',
    'socks4://me@a.test',
    `socks5://me:$\{secret:KEY}@a.test`,
  ])
    t.match(rules.validate({ uri, target }), { ok: true }, uri);
});
