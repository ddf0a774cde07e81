import { decode, encode } from 'dns-packet';
import { test } from 'tap';
import { formatProblem } from '../../../src/core/validation.ts';
import { createJobRules } from '../../../src/jobs/rules.ts';
import { monitors } from '../../../src/monitors/index.ts';
import { createGate } from '../../../src/monitors/net/gate.ts';
import { createNameServer } from '../../helpers/name-server.ts';
import { checkBy, context, pem } from '../support.ts';
import { createOddity, createZones } from './name-server.ts';

const check = (options: object, more: Parameters<typeof checkBy>[2] = {}) => checkBy('dns', options, more);
const rules = createJobRules({ monitors, context, cronProblem: () => null });

const ZONES = {
  'a.test': {
    answers: [
      { type: 'A', name: 'a.test', ttl: 300, data: '192.0.2.1' },
      { type: 'A', name: 'a.test', ttl: 60, data: '192.0.2.2' },
    ],
  },
  'six.test': { answers: [{ type: 'AAAA', name: 'six.test', ttl: 5, data: '2001:db8::1' }], isAuthenticated: true },
  'mx.test': { answers: [{ type: 'MX', name: 'mx.test', ttl: 5, data: { preference: 10, exchange: 'Mail.test' } }] },
  'txt.test': { answers: [{ type: 'TXT', name: 'txt.test', ttl: 5, data: ['v=spf1 ', '-all'] }] },
  'srv.test': {
    answers: [
      { type: 'SRV', name: 'srv.test', ttl: 5, data: { priority: 1, weight: 2, port: 5060, target: 'sip.test' } },
    ],
  },
  'caa.test': {
    answers: [{ type: 'CAA', name: 'caa.test', ttl: 5, data: { flags: 0, tag: 'issue', value: 'ca.test' } }],
  },
  'soa.test': {
    answers: [
      {
        type: 'SOA',
        name: 'soa.test',
        ttl: 5,
        data: { mname: 'ns.test', rname: 'me.test', serial: 7, refresh: 1, retry: 2, expire: 3, minimum: 4 },
      },
    ],
  },
  '1.2.0.192.in-addr.arpa': { answers: [{ type: 'PTR', name: '1.2.0.192.in-addr.arpa', ttl: 5, data: 'a.test' }] },
  'long.test': { isTruncated: true, more: [{ type: 'A', name: 'long.test', ttl: 9, data: '192.0.2.9' }] },
  'refused.test': { rcode: 5 },
  'empty.test': {},
} as const;

test('records of each kind, as zone files have them', async (t) => {
  const { plain } = await createZones(t, ZONES as never);
  for (const [name, type, ...expected] of [
    ['a.test', 'A', '192.0.2.2', '192.0.2.1'],
    ['six.test', 'AAAA', '2001:DB8:0::1'],
    ['mx.test', 'MX', '10 mail.test.'],
    ['txt.test', 'TXT', 'v=spf1 -all'],
    ['srv.test', 'SRV', '1 2 5060 sip.test'],
    ['caa.test', 'CAA', '0 issue "ca.test"'],
    ['soa.test', 'soa', 'ns.test me.test 7 1 2 3 4'],
    ['192.0.2.1', 'PTR', 'a.test'],
  ] as const) {
    const result = await check({ uri: `${plain}/${name}?type=${type}`, expected, expected_match: 'exactly' });
    t.match(
      result,
      { outcome: 'up', status: 'NOERROR', values: { answers: expected.length }, facts: { transport: 'udp' } },
      name,
    );
  }
  t.match(await check({ uri: `${plain}/A.test` }), {
    outcome: 'up',
    values: { answers: 2, ttl: 60 },
    timings: { ttfb: Number },
  });
});

test('what is expected of the answer', async (t) => {
  const { plain } = await createZones(t, ZONES as never);
  const uri = `${plain}/a.test`;
  for (const [options, found] of [
    [{ expected: ['192.0.2.1'] }, { outcome: 'up' }],
    [
      { expected: ['192.0.2.1', '192.0.2.3'] },
      { reason: 'body', detail: 'found 192.0.2.1, 192.0.2.2, without 192.0.2.3', responseTime: Number },
    ],
    [{ expected: ['192.0.2.1', '192.0.2.3'], expected_match: 'any' }, { outcome: 'up' }],
    [{ expected: ['192.0.2.3'], expected_match: 'any' }, { reason: 'body' }],
    [{ expected: ['192.0.2.3'], expected_match: 'none' }, { outcome: 'up' }],
    [
      { expected: ['192.0.2.2'], expected_match: 'none' },
      { reason: 'body', detail: 'found 192.0.2.2, which is not accepted' },
    ],
    [
      { expected: ['192.0.2.2'], expected_match: 'exactly' },
      { reason: 'body', detail: 'found 192.0.2.1, too' },
    ],
    [{ pattern: '^192\\.0\\.2\\.2$' }, { outcome: 'up' }],
    [{ pattern: '^10\\.' }, { reason: 'body', detail: 'pattern not found in 192.0.2.1, 192.0.2.2' }],
    [{ authenticated: true }, { reason: 'header' }],
    [
      { uri: `${plain}/six.test?type=AAAA`, authenticated: true },
      { outcome: 'up', facts: { authenticated: true } },
    ],
    [
      { uri: `${plain}/nowhere.test` },
      { reason: 'status', status: 'NXDOMAIN', detail: 'the answer is NXDOMAIN, accepted: NOERROR' },
    ],
    [
      { uri: `${plain}/nowhere.test`, expected_code: 'NXDOMAIN' },
      { outcome: 'up', values: { answers: 0 } },
    ],
    [{ uri: `${plain}/refused.test` }, { reason: 'status', status: 'REFUSED' }],
    [{ uri: `${plain}/empty.test?type=MX` }, { reason: 'body', detail: 'there are no records of type MX' }],
    [{ max_response_time_seconds: 1e-9 }, { outcome: 'degraded', reason: 'latency' }],
  ] as const) {
    t.match(await check({ uri, ...options }), found, JSON.stringify(options));
  }
});

test('a long answer comes by TCP; TLS; a server of other code', async (t) => {
  const { plain, secured, tcp } = await createZones(t, ZONES as never);
  t.match(await check({ uri: `${plain}/long.test`, expected: ['192.0.2.9'] }), {
    outcome: 'up',
    facts: { transport: 'tcp' },
  });
  await tcp.quiet();
  const uri = `${secured}/a.test`;
  t.match(await check({ uri, tls: { ca: pem('ca') } }), {
    ...{
      outcome: 'up',
      facts: { transport: 'tls', certificate: { trusted: true } },
      timings: { tls: Number, ttfb: Number },
    },
    values: { answers: 2, days_left: Number },
  });
  t.match(await check({ uri }), { outcome: 'down', reason: 'tls' });
  const { server } = await createNameServer(t, { 'b.test': { a: ['192.0.2.7'], aaaa: ['::9'], ttl: 77 } });
  t.match(await check({ uri: `dns://${server}/b.test`, expected: ['192.0.2.7'] }), {
    outcome: 'up',
    values: { ttl: 77 },
  });
  t.match(await check({ uri: `dns://${server}/b.test?type=AAAA`, expected: ['0::9'] }), { outcome: 'up' });
  t.match(await check({ uri: `${plain}/a.test` }, { gate: createGate({ mode: 'deny_internal' }) }), {
    reason: 'forbidden_address',
  });
  const names = { resolve: async () => ['127.0.0.1'] };
  t.match(await check({ uri: `dns://ns.test:${tcp.port}/a.test` }, { names }), {
    outcome: 'up',
    timings: { dns: Number },
  });
});

const reply = (query: Buffer, change: object) =>
  encode({ ...decode(query), type: 'response', additionals: [], ...change });

test('hostile resolvers end as their own failure', async (t) => {
  for (const [name, answer, found] of [
    ['silent', () => [], { reason: 'timeout' }],
    [
      'of another id',
      (query: Buffer) => [reply(query, { id: ((decode(query).id ?? 0) + 1) % 65_536 })],
      { reason: 'timeout' },
    ],
    [
      'to another question',
      (query: Buffer) => [reply(query, { questions: [{ type: 'A', name: 'b.test' }] })],
      { reason: 'timeout' },
    ],
    [
      'flooding',
      (query: Buffer) => Array.from({ length: 200 }, () => query),
      { reason: 'protocol', detail: /more than 100 datagrams/ },
    ],
    ['short', () => [Buffer.from([1])], { reason: 'timeout' }],
    [
      'cut off',
      (query: Buffer) => [
        reply(query, { answers: [{ type: 'A', name: 'a.test', data: '192.0.2.1' }] }).subarray(0, -2),
      ],
      { reason: 'protocol', detail: /cannot be read/ },
    ],
    [
      'pointing to itself',
      (query: Buffer) => {
        const whole = Buffer.concat([
          reply(query, {}),
          Buffer.from([0xc0, 0x18, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 1, 2, 3, 4]),
        ]);
        whole.writeUInt16BE(1, 6);
        whole.writeUInt16BE(0xc000 | (whole.length - 16), whole.length - 16);
        return [whole];
      },
      { reason: 'protocol', detail: /cannot be read/ },
    ],
  ] as const) {
    const uri = await createOddity(t, answer);
    t.match(await check({ uri: `${uri}/a.test` }, { timeoutMs: 400 }), { outcome: 'down', ...found }, name);
  }
  t.match(await check({ uri: 'dns://127.0.0.98:9/a.test' }, { timeoutMs: 2_000 }), {
    outcome: 'down',
    reason: 'connect',
  });
});

test('what is wrong with a dns job', async (t) => {
  for (const [definition, problem] of [
    [
      { uri: 'dns://9.9.9.9' },
      /^uri: given "dns:\/\/9\.9\.9\.9", accepted: a dns:\/\/, dns\+tls:\/\/ or dns\+https:\/\/ address/,
    ],
    [{ uri: 'dns+tls:///a.test' }, /with a resolver for TLS$/],
    [{ uri: 'dns:///a.test?type=ANY' }, /with a type of A, AAAA/],
    [{ uri: 'dns:///a..test' }, /with a name of letters/],
    [{ uri: 'dns:///a.test?class=CH' }, /no other parameter than type$/],
    [{ uri: 'dns://[::1/a.test' }, /accepted: a dns/],
    [
      { uri: 'dns:///a.test', expected_match: 'any' },
      'expected_match: given "any", accepted: nothing without expected',
    ],
    [{ uri: 'dns:///a.test', tls: {} }, /nothing without TLS/],
  ] as const) {
    const result = rules.validate(definition);
    t.match(result.ok ? ['no problem'] : result.problems.map(formatProblem), [problem]);
  }
  for (const uri of [
    'dns:///a.test',
    'DNS://[::1]:5353/_sip._tcp.a.test?type=srv',
    'dns+tls://ns.test/a.test?type=AAAA',
    'dns:///2001:db8::1?type=PTR',
  ]) {
    t.match(rules.validate({ uri }), { ok: true }, uri);
  }
});
