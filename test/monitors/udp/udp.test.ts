import { createSocket } from 'node:dgram';
import { type Test, test } from 'tap';
import { formatProblem } from '../../../src/core/validation.ts';
import { createJobRules } from '../../../src/jobs/rules.ts';
import { monitors } from '../../../src/monitors/index.ts';
import { createGate } from '../../../src/monitors/net/gate.ts';
import { checkBy, context } from '../support.ts';

const check = (options: object, more: Parameters<typeof checkBy>[2] = {}) => checkBy('udp', options, more);
const rules = createJobRules({ monitors, context, cronProblem: () => null });

async function serve(t: Test, answer: (data: Buffer, count: number) => Buffer | string | null): Promise<string> {
  let count = 0;
  const socket = createSocket('udp4', (data, peer) => {
    const text = answer(data, ++count);
    if (text !== null) socket.send(text, peer.port, peer.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  t.teardown(() => socket.close());
  return `udp://127.0.0.1:${socket.address().port}`;
}

test('what is sent is answered as expected', async (t) => {
  const uri = await serve(t, (data) => Buffer.concat([data, Buffer.from(' pong')]));
  t.match(await check({ uri, send: 'ping', expect: '^ping pong$' }), {
    ...{ outcome: 'up', status: null, bytes: 9, responseTime: Number, timings: { ttfb: Number } },
    facts: { remote_address: '127.0.0.1' },
  });
  t.match(await check({ uri, send_hex: 'fF00', expect_hex: 'ff0020' }), { outcome: 'up', bytes: 7 });
  t.match(await check({ uri, send: 'a', expect_hex: 'ff' }), {
    ...{ outcome: 'down', reason: 'body', responseTime: Number, detail: 'the answer begins otherwise: 6120706f6e67' },
  });
  t.match(await check({ uri, send: 'a', expect: 'x' }), {
    reason: 'body',
    detail: 'pattern not found in the answer "a pong"',
  });
  t.match(await check({ uri, send: 'a', max_response_time_seconds: 1e-9 }), { outcome: 'degraded', reason: 'latency' });
  t.match(await check({ uri, send: 'a' }, { gate: createGate({ mode: 'deny_internal' }) }), {
    reason: 'forbidden_address',
  });
  const empty = await serve(t, () => '');
  t.match(await check({ uri: empty, send: 'a' }), { outcome: 'up', bytes: 0 });
  t.match(await check({ uri: empty, send: 'a', expect_hex: '00' }), { reason: 'body', detail: /it is empty/ });
});

test('datagrams get lost; a port may be closed, and a server silent', async (t) => {
  const lossy = await serve(t, (data, count) => (count === 2 ? data : null));
  t.match(await check({ uri: lossy, send: 'a', sends: 10 }), { outcome: 'up' });
  const silent = await serve(t, () => null);
  t.match(await check({ uri: silent, send: 'a' }, { timeoutMs: 200 }), {
    outcome: 'down',
    reason: 'timeout',
    responseTime: null,
  });
  t.match(await check({ uri: 'udp://127.0.0.97:9', send: 'a' }), {
    outcome: 'down',
    reason: 'connect',
    detail: /ECONNREFUSED/,
  });
  const none = { resolve: async () => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' })) };
  t.match(await check({ uri: 'udp://a.test:9', send: 'a' }, { names: none }), { outcome: 'down', reason: 'dns' });
  const long = await serve(t, () => Buffer.alloc(60_000, 'x'));
  t.match(await check({ uri: long, send: 'a', expect: 'y' }), { outcome: 'down', reason: 'body', bytes: 60_000 });
});

test('what is wrong with a udp job', async (t) => {
  const uri = 'udp://a.test:9';
  for (const [definition, problem] of [
    [
      { uri: 'udp://a.test', send: 'a' },
      'uri: given "udp://a.test", accepted: a udp:// address of a host and its port',
    ],
    [{ uri }, 'send: given nothing, accepted: a text, or send_hex: a server that is not asked says nothing'],
    [{ uri, send: 'a', send_hex: '00' }, 'send_hex: given "********", accepted: nothing beside send: one of the two'],
    [
      { uri, send: 'a', expect: '(' },
      'expect: given "(", accepted: a regular expression of RE2: missing closing ): `(`',
    ],
  ] as const) {
    const result = rules.validate(definition);
    t.strictSame(result.ok ? [] : result.problems.map(formatProblem), [problem]);
  }
  t.match(rules.validate({ uri, send_hex: 'xy' }).ok, false);
});
