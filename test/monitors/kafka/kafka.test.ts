import type { Socket } from 'node:net';
import { test } from 'tap';
import { formatProblem } from '../../../src/core/validation.ts';
import { createPrepare } from '../../../src/jobs/prepare.ts';
import { createJobRules } from '../../../src/jobs/rules.ts';
import { monitors } from '../../../src/monitors/index.ts';
import { array, int8, int16, int32, int64, text } from '../../../src/monitors/kafka/message.ts';
import { createGate } from '../../../src/monitors/net/gate.ts';
import { checkBy, context, serveRaw } from '../support.ts';
import { type StubCluster, speak, startStubs } from './stub-broker.ts';

// Real brokers are asked in test/kafka/monitor.test.ts; these do what a real one can hardly be brought to.

const check = (options: object, more: Parameters<typeof checkBy>[2] = {}) => checkBy('kafka', options, more);
const rules = createJobRules({ monitors, context, cronProblem: () => null });

const replicas = [1, 2, 3];
const TOPICS = {
  orders: [
    { leader: 1, replicas, committed: 10n, end: 15n },
    { leader: 2, replicas, inSync: [2], committed: 7n, end: 7n },
  ],
  mail: [{ leader: 3, replicas, inSync: [3, 1], committed: 2n ** 40n, end: 2n ** 40n + 1n }, { end: 99n }],
  old: [{ leader: 1, replicas, committed: 9n, end: 3n }],
};

test('how a cluster is, and how far a group is behind', async (t) => {
  const { sites, asked } = await startStubs(t, { topics: TOPICS }, 3);
  const [{ uri }] = sites;
  const up = await check({ uri, topics: ['old'] });
  t.match(up, { outcome: 'up', status: 'OK', responseTime: Number, facts: { remote_address: '127.0.0.1' } });
  t.strictSame(up.values, { brokers: 3, topics: 1, partitions: 1, under_replicated: 0, offline: 0 });
  t.strictSame(Object.keys(up.timings).sort(), ['connect', 'transfer', 'ttfb']);
  t.match(asked, [
    [1, 'ApiVersions'],
    [1, 'Metadata'],
  ]);
  asked.length = 0;
  t.match(await check({ uri, group: 'billing' }), {
    ...{ outcome: 'degraded', reason: 'body', status: 'OK', detail: '2 partitions lack replicas, accepted: up to 0' },
    values: { brokers: 3, topics: 3, partitions: 5, under_replicated: 2, lag: 6 },
  });
  t.strictSame(asked, [
    ...([1, 1, 1] as const).map((one, index) => [one, ['ApiVersions', 'Metadata', 'FindCoordinator'][index]]),
    ...[
      [3, 'ApiVersions'],
      [3, 'OffsetFetch'],
      [1, 'ListOffsets'],
      [2, 'ApiVersions'],
      [2, 'ListOffsets'],
    ],
    [3, 'ListOffsets'],
  ]);
  for (const site of sites) await site.quiet();
  for (const [options, found] of [
    [{ max_under_replicated: 2 }, { outcome: 'up', values: { under_replicated: 2 } }],
    [{ topics: ['orders'] }, { outcome: 'degraded', detail: '1 partition lacks replicas, accepted: up to 0' }],
    [{ topics: ['old'], min_brokers: 3 }, { outcome: 'up' }],
    [
      { topics: ['old'], min_brokers: 4 },
      { outcome: 'degraded', reason: 'body', detail: 'the cluster has 3 brokers, accepted: 4 or more' },
    ],
    [
      { topics: ['orders'], group: 'billing', max_lag: 5, max_under_replicated: 1 },
      { outcome: 'up', values: { lag: 5 } },
    ],
    [
      { topics: ['orders'], group: 'billing', max_lag: 4, max_under_replicated: 1 },
      { outcome: 'degraded', reason: 'body', detail: 'the group billing is 5 records behind, accepted: up to 4' },
    ],
    [
      { topics: ['old'], group: 'billing' },
      { outcome: 'up', values: { lag: 0 } },
    ],
    [
      { topics: ['old'], max_response_time_seconds: 1e-9 },
      { outcome: 'degraded', reason: 'latency' },
    ],
    [
      { topics: ['old', 'none'] },
      {
        ...{ outcome: 'down', reason: 'status', status: 'UNKNOWN_TOPIC_OR_PARTITION', responseTime: Number },
        detail: 'topic none: UNKNOWN_TOPIC_OR_PARTITION',
      },
    ],
  ] as const) {
    t.match(await check({ uri, ...options }), found, JSON.stringify(options));
  }
});

test('partitions without a leader, and a group that there is not', async (t) => {
  const topics = { orders: [{ leader: -1, replicas }, { replicas }, { leader: -1, replicas }], idle: [{}] };
  const { sites } = await startStubs(t, { topics });
  const [{ uri }] = sites;
  t.match(await check({ uri }), {
    ...{ outcome: 'down', reason: 'status', status: 'LEADER_NOT_AVAILABLE', responseTime: Number },
    ...{ detail: 'no leader: partition 0 of orders and 1 more', values: { offline: 2, partitions: 4 } },
  });
  t.match(await check({ uri, topics: ['idle'], group: 'biling' }), {
    ...{ outcome: 'down', reason: 'body', detail: 'the group biling has committed no offsets of idle' },
  });
});

test('bootstrap servers: one that can be connected to is enough', async (t) => {
  const { sites } = await startStubs(t, { topics: {} });
  const [{ port }] = sites;
  const there = `127.0.0.1:${port}`;
  const gone = 'kafka://127.0.0.99:9';
  t.match(await check({ uri: gone, bootstrap_servers: ['127.0.0.98:9', there] }), { outcome: 'up' });
  t.match(await check({ uri: gone, bootstrap_servers: ['127.0.0.98:9'] }), {
    ...{ outcome: 'down', reason: 'connect', detail: /^broker 127\.0\.0\.98:9: .*ECONNREFUSED/ },
  });
  const names = {
    resolve: (name: string) => (name === 'far.test' ? new Promise<never>(() => {}) : Promise.resolve(['127.0.0.1'])),
  };
  const found = await check({ uri: 'kafka://far.test', bootstrap_servers: [there] }, { names, timeoutMs: 3_000 });
  t.match(found, { outcome: 'up' }, 'a name that is not resolved takes its share of the time');
  // It is there, and is no Kafka: that is worth a message, and no reason to ask others.
  const website = await serveRaw(t, (socket) => void socket.once('data', () => socket.end('HTTP/1.1 400 Bad\r\n')));
  const uri = `kafka://127.0.0.1:${website.port}`;
  t.match(await check({ uri, bootstrap_servers: [there] }), { outcome: 'down', reason: 'protocol' });
});

test('log in, and what is masked', async (t) => {
  const { sites, asked } = await startStubs(t, { topics: { orders: [{ committed: 0n }] }, password: 's€same' }, 2);
  const [{ port }] = sites;
  const uriOf = (password: string) => `kafka://probe:${encodeURIComponent(password)}@127.0.0.1:${port}`;
  t.match(await check({ uri: uriOf('s€same'), group: 'billing' }), { outcome: 'up', values: { lag: 0 } });
  t.same(
    asked.filter(([, name]) => name === 'SaslAuthenticate'),
    [
      [1, 'SaslAuthenticate'],
      [2, 'SaslAuthenticate'],
    ],
  );
  t.match(await check({ uri: uriOf('wrong') }), {
    ...{ outcome: 'down', reason: 'status', status: 'SASL_AUTHENTICATION_FAILED', responseTime: Number },
    detail: 'the broker does not let in: SASL_AUTHENTICATION_FAILED (no such user)',
  });
  t.match(await check({ uri: uriOf('s€same'), sasl_mechanism: 'scram-sha-512' }), {
    ...{ reason: 'status', status: 'UNSUPPORTED_SASL_MECHANISM', detail: /\(it offers PLAIN\)$/ },
  });
  const repeats = await startStubs(t, {
    topics: {},
    instead: { SaslAuthenticate: (request) => Buffer.concat([int16(58), text(request.bytes().toString()), int32(0)]) },
  });
  const job = rules.toJob({ uri: `kafka://probe:sesame@127.0.0.1:${repeats.sites[0].port}` }, 1);
  const probe = createPrepare(monitors, context)(job);
  t.match(await probe({ timeoutMs: 5_000, signal: new AbortController().signal }), { detail: /probe \*{8}\)$/ });
});

test('a closed port, a name that is none, and addresses that the gate refuses', async (t) => {
  t.match(await check({ uri: 'kafka://127.0.0.99:9' }), { outcome: 'down', reason: 'connect', status: null });
  const names = { resolve: async () => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' })) };
  t.match(await check({ uri: 'kafka://broker.invalid' }, { names }), { outcome: 'down', reason: 'dns' });
  const { sites, asked } = await startStubs(t, { topics: { orders: [{ committed: 1n }] } }, 2);
  const [{ uri }] = sites;
  const gate = createGate({ mode: 'deny_internal' });
  t.match(await check({ uri }, { gate }), { outcome: 'down', reason: 'forbidden_address' });
  t.strictSame(asked, []);
  const inside = await startStubs(t, { topics: { orders: [{ committed: 1n }] }, host: '127.0.0.66' });
  const narrow = createGate({ mode: 'deny_internal', allow: ['127.0.0.1'] });
  t.match(await check({ uri: inside.sites[0].uri, group: 'billing' }, { gate: narrow }), {
    ...{ outcome: 'down', reason: 'forbidden_address', detail: /^broker 127\.0\.0\.66:\d+: 127\.0\.0\.66 is loopback/ },
  });
});

type Hostile = readonly [name: string, onSocket: (socket: Socket) => void, found: object];

const says =
  (...parts: Buffer[]) =>
  (socket: Socket) =>
    void socket.once('data', () => socket.write(Buffer.concat(parts)));

const HOSTILE: readonly Hostile[] = [
  [
    'closes at once',
    (socket) => socket.end(),
    { reason: 'connect', detail: /^connection closed before the answer to ApiVersions; perhaps it demands TLS/ },
  ],
  ['resets', (socket) => socket.resetAndDestroy(), { reason: 'connect' }],
  ['is silent', () => {}, { reason: 'timeout', detail: 'no answer to ApiVersions within 700 ms' }],
  ['drips', drip, { reason: 'timeout' }],
  [
    'is a website',
    says(Buffer.from('HTTP/1.1 400 Bad\r\n')),
    { reason: 'protocol', detail: /^no message of Kafka: "HTTP/ },
  ],
  ['speaks TLS', says(Buffer.from([21, 3, 3, 0, 2, 2, 80])), { reason: 'protocol', detail: /^no message of Kafka/ }],
  ['has a negative length', says(int32(-1)), { reason: 'protocol' }],
  ['has no room for its number', says(int32(3)), { reason: 'protocol' }],
  ['promises too much', says(int32(2 ** 27)), { reason: 'too_large', detail: /an answer of 134217728 bytes/ }],
  ['floods', flood, { reason: 'too_large' }],
  ['stops within an answer', says(int32(1_000_000), int32(1)), { reason: 'timeout' }],
  [
    'answers another request',
    says(int32(6), int32(9), int16(0)),
    { reason: 'protocol', detail: /to request 9, not to 1$/ },
  ],
  ['is cut off', says(int32(6), int32(1), int16(0)), { reason: 'protocol', detail: /is cut off$/ }],
  ['has too many elements', says(int32(10), int32(1), int16(0), int32(2 ** 30)), { reason: 'protocol' }],
  [
    'ends within an answer',
    (socket) => void socket.once('data', () => socket.end(int32(100))),
    { reason: 'protocol', detail: 'connection closed in the middle of the answer to ApiVersions' },
  ],
  [
    'is too old',
    says(int32(16), int32(1), int16(0), array([Buffer.concat([int16(3), int16(0), int16(4)])])),
    { reason: 'protocol', detail: 'the broker takes Metadata 0 to 4, and is asked in 5' },
  ],
  [
    'does not say what it takes',
    says(int32(10), int32(1), int16(35), int32(0)),
    { reason: 'status', status: 'UNSUPPORTED_VERSION' },
  ],
];

function flood(socket: Socket): void {
  const more = () => {
    while (!socket.destroyed && socket.write(Buffer.alloc(65_536, 0x0a)));
  };
  socket.on('drain', more);
  more();
}

function drip(socket: Socket): void {
  socket.write(int32(1_000));
  const timer = setInterval(() => socket.write(Buffer.alloc(1)), 1);
  socket.on('close', () => clearInterval(timer));
}

test('hostile brokers end as their own failure, and leave nothing open', async (t) => {
  for (const [name, onSocket, found] of HOSTILE) {
    const site = await serveRaw(t, (socket) => onSocket(socket.resume()), 'kafka');
    t.match(await check({ uri: site.uri }, { timeoutMs: 700 }), { outcome: 'down', ...found }, name);
    await site.quiet();
  }
});

const noDelay = int32(0);
const none = int16(-1);
const LYING: ReadonlyArray<readonly [name: string, instead: NonNullable<StubCluster['instead']>, found: object]> = [
  ['metadata without an end', { Metadata: () => noDelay }, { reason: 'protocol', detail: /cut off$/ }],
  [
    'metadata without the topic',
    { Metadata: () => Buffer.concat([noDelay, array([]), none, int32(1), array([])]) },
    { reason: 'protocol', detail: /says nothing of the topic orders$/ },
  ],
  [
    'an error without a name',
    { FindCoordinator: () => Buffer.concat([noDelay, int16(999), text('\u202ebad'), int32(1), text('x'), int32(1)]) },
    { reason: 'status', status: 'ERROR_999', detail: 'coordinator of the group billing: ERROR_999 ( bad)' },
  ],
  [
    'a coordinator that is not there',
    { FindCoordinator: () => Buffer.concat([noDelay, int16(15), none, int32(-1), text(''), int32(-1)]) },
    { reason: 'status', status: 'COORDINATOR_NOT_AVAILABLE' },
  ],
  [
    'a coordinator at no place',
    { FindCoordinator: () => Buffer.concat([noDelay, int16(0), none, int32(1), text('a b'), int32(1)]) },
    { reason: 'protocol', detail: 'a broker is said to be at "a b", port 1' },
  ],
  [
    'a coordinator at no port',
    { FindCoordinator: () => Buffer.concat([noDelay, int16(0), none, int32(1), text('127.0.0.1'), int32(70_000)]) },
    { reason: 'protocol', detail: /port 70000$/ },
  ],
  [
    'offsets that may not be seen',
    { OffsetFetch: () => Buffer.concat([array([]), int16(30)]) },
    { reason: 'status', status: 'GROUP_AUTHORIZATION_FAILED' },
  ],
  [
    'an offset that is an error',
    {
      OffsetFetch: () => {
        const partition = Buffer.concat([int32(0), int64(-1n), none, int16(3)]);
        return Buffer.concat([array([Buffer.concat([text('orders'), array([partition])])]), int16(0)]);
      },
    },
    { reason: 'status', status: 'UNKNOWN_TOPIC_OR_PARTITION' },
  ],
  [
    'no ends',
    { ListOffsets: () => array([]) },
    { reason: 'protocol', detail: 'the end of partitions of orders is not told' },
  ],
  [
    'ends of something else, and twice',
    {
      ListOffsets: () => {
        const ends = [0, 0, 7].map((index) => Buffer.concat([int32(index), int16(0), int64(-1n), int64(11n)]));
        return array(['orders', 'others'].map((name) => Buffer.concat([text(name), array(ends)])));
      },
    },
    { outcome: 'up', values: { lag: 1 } },
  ],
  [
    'a leader that is no broker',
    {
      Metadata: () => {
        const partition = Buffer.concat([int16(0), int32(0), int32(5), array([]), array([]), array([])]);
        const topic = Buffer.concat([int16(0), text('orders'), int8(0), array([partition])]);
        return Buffer.concat([noDelay, array([]), none, int32(1), array([topic])]);
      },
    },
    { reason: 'protocol', detail: 'the leader 5 is not among the brokers' },
  ],
];

test('brokers that say what cannot be', async (t) => {
  for (const [name, instead, found] of LYING) {
    const { sites } = await startStubs(t, { topics: { orders: [{ committed: 10n, end: 11n }] }, instead });
    const options = { uri: sites[0].uri, topics: ['orders'], group: 'billing' };
    t.match(await check(options), { outcome: 'down', ...found }, name);
    await sites[0].quiet();
  }
  // A login that asks for more than it is worth.
  const site = await serveRaw(t, (socket) =>
    speak(socket, (request, fields) => {
      if (request === 'ApiVersions') return Buffer.concat([int16(0), array([])]);
      if (request === 'SaslHandshake') return Buffer.concat([int16(0), array([])]);
      const nonce = /r=(.*)$/.exec(fields.bytes().toString())?.[1];
      const first = Buffer.from(`r=${nonce}x,s=AAAA,i=9999999`);
      return Buffer.concat([int16(0), none, int32(first.length), first]);
    }),
  );
  const uri = `kafka://probe:x@127.0.0.1:${site.port}`;
  t.match(await check({ uri, sasl_mechanism: 'scram-sha-256' }), { reason: 'protocol', detail: /9999999 iterations/ });
});

const ACCEPTED =
  'a kafka:// or kafkas:// address of a host, perhaps with a port and credentials; further brokers are in bootstrap_servers';
const SERVER = 'the address of a host, perhaps with a port 1 to 65535, such as broker-2.example.com:9092';
const uri = 'kafka://a.test';
const PROBLEMS: ReadonlyArray<readonly [options: object, ...problems: string[]]> = [
  [{ uri: 'kafka://a.test:9092,b.test:9092' }, `uri: given "kafka://a.test:9092,b.test:9092", accepted: ${ACCEPTED}`],
  [{ uri: 'kafka://a.test/x' }, `uri: given "kafka://a.test/x", accepted: ${ACCEPTED}, without a path`],
  [
    { uri: 'kafka://me@a.test' },
    'uri: given "kafka://********@a.test", accepted: an address of a host with a password beside the user name',
  ],
  [
    { uri: 'kafka://:me@a.test' },
    'uri: given "kafka://:********@a.test", accepted: an address of a host with a user name beside the password',
  ],
  [
    { uri, sasl_mechanism: 'plain' },
    'sasl_mechanism: given "plain", accepted: nothing without a user name and a password in the address',
  ],
  [{ uri, tls: {} }, 'tls: given "********", accepted: nothing without TLS: a kafkas:// address'],
  [{ uri, max_lag: 5 }, 'max_lag: given 5, accepted: nothing without group'],
  [
    { uri, bootstrap_servers: ['b.test:70000', 'c.test:0'] },
    `bootstrap_servers[0]: given "b.test:70000", accepted: ${SERVER}`,
    `bootstrap_servers[1]: given "c.test:0", accepted: ${SERVER}`,
  ],
];

test('what is wrong with a kafka job', async (t) => {
  for (const [definition, ...problems] of PROBLEMS) {
    const result = rules.validate(definition);
    t.strictSame(result.ok ? [] : result.problems.map(formatProblem), problems, JSON.stringify(definition));
  }
  for (const given of [{ topics: ['a b'] }, { topics: [] }, { sasl_mechanism: 'gssapi' }, { group: '' }]) {
    t.match(rules.validate({ uri, ...given }), { ok: false }, JSON.stringify(given));
  }
  for (const address of ['kafka://a.test', 'KAFKAS://[::1]:9093', `kafkas://probe:$\{secret:KEY}@a.test`]) {
    t.match(rules.validate({ uri: address, bootstrap_servers: ['[::1]:9092', 'b.test'] }), { ok: true }, address);
  }
});
