import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Test, test } from 'tap';
import { formatProblem } from '../../../src/core/validation.ts';
import { createJobRules } from '../../../src/jobs/rules.ts';
import { monitors } from '../../../src/monitors/index.ts';
import { createGate } from '../../../src/monitors/net/gate.ts';
import { checkBy, context } from '../support.ts';

const check = (options: object, more: Parameters<typeof checkBy>[2] = {}) => checkBy('ping', options, more);
const rules = createJobRules({ monitors, context, cronProblem: () => null });
const uri = 'ping://127.0.0.1';

/** Why this machine's own program cannot send to the address; false if it can. */
function lack(address: string, program = ['ping']): string | false {
  const { status } = spawnSync('/usr/bin/env', [...program, '-c', '1', address]);
  return status === 0 ? false : `NOT TESTED: ${program.join(' ')} cannot reach ${address} here: install or permit it`;
}

/** Until the end of the test, programs are found in this folder alone. */
function usePath(t: Test, folder: string): void {
  const { PATH } = process.env;
  process.env.PATH = folder;
  t.teardown(() => {
    process.env.PATH = PATH;
  });
}

/** A folder with a program ping, which is a script of sh that runs in it, without a PATH for other programs. */
function standIn(t: Test, script: string, files: Record<string, string> = {}): string {
  const folder = t.testdir(files);
  writeFileSync(join(folder, 'ping'), `#!/bin/sh\ncd '${folder}'\n${script}\n`, { mode: 0o755 });
  usePath(t, folder);
  return folder;
}

/** A program ping that writes recorded texts. */
function recorded(t: Test, { output = '', complaint = '', code = 0 }: Recording): string {
  const script = `/bin/cat output; /bin/cat complaint >&2; exit ${code}`;
  return standIn(t, script, { output, complaint });
}

interface Recording {
  output?: string;
  complaint?: string;
  code?: number;
}

for (const address of ['127.0.0.1', '::1']) {
  test(`packets come back from ${address}`, { skip: lack(address) }, async (t) => {
    const host = address.includes(':') ? `[${address}]` : address;
    const result = await check({ uri: `ping://${host}`, packets: 4 });
    t.match(result, {
      ...{ outcome: 'up', status: null, responseTime: Number, timings: { ttfb: Number } },
      values: { packets: 4, loss: 0, min: Number, max: Number, jitter: Number },
      facts: { remote_address: address },
    });
    const { min = 0, max = 0 } = result.values ?? {};
    t.ok(min > 0 && min <= (result.responseTime ?? 0) && (result.responseTime ?? 0) <= max);
    t.strictSame(Object.keys(result.timings), ['ttfb']);
    const names = { resolve: async () => [address] };
    t.match(await check({ uri: 'ping://a.test', packets: 1 }, { names }), {
      ...{
        outcome: 'up',
        timings: { dns: Number, ttfb: Number },
        values: { packets: 1 },
        facts: { remote_address: address },
      },
    });
    t.match(await check({ uri: `ping://${host}`, packets: 1, max_response_time_seconds: 1e-9 }), {
      ...{ outcome: 'degraded', reason: 'latency' },
    });
  });
}

const busybox = existsSync('/bin/busybox') ? '/bin/busybox' : '/usr/bin/busybox';
test('the program of busybox', { skip: lack('127.0.0.1', [busybox, 'ping']) }, async (t) => {
  const folder = t.testdir();
  symlinkSync(busybox, join(folder, 'ping'));
  usePath(t, folder);
  for (const uri of ['ping://127.0.0.1', 'ping://[::1]'])
    t.match(await check({ uri }), { outcome: 'up', values: { packets: 3, loss: 0 } }, uri);
});

const RECORDINGS: Readonly<Record<string, Recording>> = {
  iputils: {
    output: `PING 192.0.2.7 (192.0.2.7) 56(84) bytes of data.
64 bytes from 192.0.2.7: icmp_seq=1 ttl=57 time=10.0 ms
64 bytes from 192.0.2.7: icmp_seq=1 ttl=57 time=11.3 ms (DUP!)
64 bytes from 192.0.2.7: icmp_seq=3 ttl=57 time=20 ms

--- 192.0.2.7 ping statistics ---
3 packets transmitted, 2 received, +1 duplicates, 33.3333% packet loss, time 402ms
rtt min/avg/max/mdev = 10.000/13.766/20.000/4.431 ms
`,
  },
  'iputils, IPv6': {
    output: `PING 2001:db8::7(2001:db8::7) 56 data bytes
64 bytes from 2001:db8::7: icmp_seq=1 ttl=57 time=10.0 ms
64 bytes from 2001:db8::7: icmp_seq=2 ttl=57 time=20.0 ms
64 bytes from 2001:db8::8: icmp_seq=3 ttl=57 time=20.0 ms (DIFFERENT ADDRESS!)
`,
    complaint: 'ping: Warning: time of day goes back (-12us), taking countermeasures\n',
  },
  busybox: {
    output: `PING 192.0.2.7 (192.0.2.7): 56 data bytes
64 bytes from 192.0.2.7: seq=0 ttl=57 time=10.000 ms
64 bytes from 192.0.2.7: seq=2 ttl=57 time=20.000 ms

--- 192.0.2.7 ping statistics ---
3 packets transmitted, 2 packets received, 33% packet loss
round-trip min/avg/max = 10.000/15.000/20.000 ms
`,
  },
  macOS: {
    output: `PING 192.0.2.7 (192.0.2.7): 56 data bytes
64 bytes from 192.0.2.7: icmp_seq=0 ttl=57 time=10.000 ms
Request timeout for icmp_seq 1
64 bytes from 192.0.2.7: icmp_seq=2 ttl=57 time=20.000 ms

--- 192.0.2.7 ping statistics ---
3 packets transmitted, 2 packets received, 33.3% packet loss
round-trip min/avg/max/stddev = 10.000/15.000/20.000/5.000 ms
`,
  },
  'BSD, IPv6': {
    output: `PING6(56=40+8+8 bytes) 2001:db8::1 --> 2001:db8::7
16 bytes from 2001:db8::7, icmp_seq=0 hlim=57 time=10.000 ms
16 bytes from 2001:db8::7, icmp_seq=2 hlim=57 time=20.000 ms
`,
    code: 2,
  },
};

for (const [name, recording] of Object.entries(RECORDINGS)) {
  test(`what ${name} writes`, async (t) => {
    recorded(t, recording);
    const found = { responseTime: 0.015, timings: { ttfb: 0.015 } };
    const values = { packets: 3, loss: 1 / 3, min: 0.01, max: 0.02, jitter: 0.01 };
    t.match(await check({ uri }), { outcome: 'up', ...found });
    t.strictSame((await check({ uri, max_loss: 0.34 })).values, values);
    const lossy = await check({ uri, max_loss: 0.3 });
    t.match(lossy, {
      ...{ outcome: 'down', reason: 'timeout', ...found },
      detail: '1 of 3 packets were lost, accepted: a share of up to 0.3',
    });
    t.strictSame(lossy.values, values);
  });
}

const DOWN = { outcome: 'down', responseTime: null };
const OURS = { outcome: 'missed', reason: 'internal', responseTime: null, values: undefined };
const reply = (seq: number, time: string) => `64 bytes from 192.0.2.7: icmp_seq=${seq} ttl=57 time=${time} ms\n`;
const FAULTS: ReadonlyArray<readonly [name: string, recording: Recording, found: object]> = [
  [
    'nothing comes back',
    { output: 'PING x\n\n3 packets transmitted, 0 received, 100% packet loss, time 2s\n', code: 1 },
    {
      ...{ ...DOWN, reason: 'timeout', values: { packets: 3, loss: 1 } },
      detail: 'none of 3 packets to 127.0.0.1 came back within 5000 ms',
    },
  ],
  [
    'nothing comes back, by busybox and BSD',
    { output: '3 packets transmitted, 0 packets received, 100.0% packet loss\n', code: 2 },
    { ...DOWN, reason: 'timeout' },
  ],
  [
    'a router refuses',
    {
      output: 'From 192.0.2.1 icmp_seq=1 Destination Host Unreachable\n\n3 packets transmitted, 0 received\n',
      code: 1,
    },
    { ...DOWN, reason: 'connect', detail: 'Destination Host Unreachable', values: { loss: 1 } },
  ],
  [
    'a router refuses, IPv6',
    { output: 'From 2001:db8::1 icmp_seq=1 Destination unreachable: Address unreachable\n', code: 1 },
    { ...DOWN, reason: 'connect', detail: 'Destination unreachable: Address unreachable' },
  ],
  [
    'packets go in circles',
    { output: '36 bytes from 192.0.2.1: Time to live exceeded\n', code: 2 },
    { ...DOWN, reason: 'connect', detail: 'Time to live exceeded' },
  ],
  [
    'there is no route',
    { complaint: 'ping: connect: Network is unreachable\n', code: 2 },
    { ...DOWN, reason: 'connect', detail: 'ping: connect: Network is unreachable', values: undefined },
  ],
  [
    'a reply comes after the time limit',
    { output: `${reply(1, '5000.1')}3 packets transmitted, 0 received\n` },
    { ...DOWN, reason: 'timeout' },
  ],
  [
    'it may not send',
    { complaint: 'ping: socktype: SOCK_RAW\nping: socket: Operation not permitted\n', code: 2 },
    { ...OURS, detail: /^ping: socket: Operation not permitted; permit it: setcap cap_net_raw/ },
  ],
  [
    'it may not be run',
    { complaint: '/usr/bin/env: ‘ping’: Operation not permitted\n', code: 126 },
    { ...OURS, detail: /^\/usr\/bin\/env: ‘ping’: Operation not permitted; permit it/ },
  ],
  [
    'it may not send, by busybox',
    { complaint: 'ping: permission denied (are you root?)\n', code: 1 },
    { ...OURS, detail: /permit it/ },
  ],
  [
    'a firewall of our own lets one of three out',
    { output: reply(1, '1'), complaint: 'ping: sendmsg: Operation not permitted\n', code: 0 },
    { ...OURS, detail: /not permitted/ },
  ],
  [
    'there are no buffers',
    { complaint: 'ping: sendmsg: No buffer space available\n', code: 2 },
    { ...OURS, detail: 'ping cannot send: ping: sendmsg: No buffer space available' },
  ],
  [
    'it knows other options',
    { complaint: "ping: invalid option -- 'W'\nUsage\n", code: 2 },
    { ...OURS, detail: "ping ended with code 2, and what it wrote is not understood: ping: invalid option -- 'W'" },
  ],
  ['it says nothing', {}, { ...OURS, detail: /ended with code 0, .*: it said nothing/ }],
  [
    'its replies are of another form',
    { output: 'answer 1: 5 ms\n3 packets transmitted, 3 received, 0% packet loss\n' },
    { ...OURS, detail: /not understood: answer 1: 5 ms/ },
  ],
  [
    'more comes back than was sent',
    { output: [1, 2, 3, 4].map((seq) => reply(seq, '1')).join('') },
    { ...OURS, detail: /4 of 3 packets are back/ },
  ],
  [
    'numbers are none',
    { output: [reply(1, '-1'), reply(2, '1e999'), reply(3, '9'.repeat(400))].join('') },
    { ...OURS, detail: /not understood/ },
  ],
  ['it writes without end', { output: reply(1, '1').repeat(2_000) }, { ...DOWN, reason: 'too_large' }],
  ['it complains without end', { complaint: 'x'.repeat(70_000) }, { ...DOWN, reason: 'too_large' }],
];

for (const [name, recording, found] of FAULTS) {
  test(`ping: ${name}`, async (t) => {
    recorded(t, recording);
    t.match(await check({ uri }), found);
  });
}

test('the program gets an address that the gate has let through', async (t) => {
  const folder = standIn(t, 'echo "$LC_ALL $@" >> calls');
  const calls = () => readFileSync(join(folder, 'calls'), 'utf8');
  const names = { resolve: async () => ['127.0.0.5', '127.0.0.6'] };
  await check({ uri: 'ping://a.test' }, { names });
  t.match(calls(), /^C -n -c 3 -i [\d.]+ (-W 5 )?127\.0\.0\.5\n$/);
  await check({ uri, packets: 20 }, { timeoutMs: 100 });
  t.match(calls(), / -c 1 -i [\d.]+ (-W 1 )?127\.0\.0\.1\n$/, 'as many packets as there is time for');
  const before = calls();
  const gate = createGate({ mode: 'deny_internal' });
  const mixed = { resolve: async () => ['8.8.8.8', '10.0.0.1'] };
  t.match(await check({ uri: 'ping://a.test' }, { gate, names: mixed }), { ...DOWN, reason: 'forbidden_address' });
  t.match(await check({ uri: 'ping://[::ffff:127.0.0.1]' }, { gate }), { ...DOWN, reason: 'forbidden_address' });
  const none = { resolve: async () => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' })) };
  t.match(await check({ uri: 'ping://a.test' }, { names: none }), { ...DOWN, reason: 'dns' });
  t.match(await check({ uri: 'ping://a.test', ip_version: 6 }, { names }), { ...DOWN, reason: 'dns' });
  t.equal(calls(), before);
});

test('there is no program, or none that can be run', async (t) => {
  const folder = t.testdir({ ping: 'x' });
  usePath(t, join(folder, 'nowhere'));
  t.match(await check({ uri }), { ...OURS, detail: /^there is no program ping here: install it \(Debian: apt-get/ });
  chmodSync(join(folder, 'ping'), 0o644);
  process.env.PATH = folder;
  t.match(await check({ uri }), { ...OURS, detail: /Permission denied; permit it/ });
});

/** Waits until a process is gone; the time limit of the test ends it otherwise. */
async function untilGone(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0);
    } catch {
      return; // There is no such process.
    }
    await delay(5);
  }
}

test('the program is ended with the time and the check; packets that are back by then count', async (t) => {
  const folder = standIn(t, 'echo $$ > pid; /bin/cat output; exec /bin/sleep 1000', { output: '' });
  const pid = () => Number(readFileSync(join(folder, 'pid'), 'utf8'));
  t.match(await check({ uri }, { timeoutMs: 3_000 }), {
    ...{ ...DOWN, reason: 'timeout', values: { packets: 3, loss: 1 } },
    detail: 'none of 3 packets to 127.0.0.1 came back within 3000 ms',
  });
  await untilGone(pid());

  const stop = new AbortController();
  const aborted = check({ uri }, { timeoutMs: 60_000, signal: stop.signal });
  const before = pid();
  while (!(pid() > 0 && pid() !== before)) await delay(5);
  stop.abort();
  t.match(await aborted, { reason: 'stopped', responseTime: null });
  await untilGone(pid());

  const partial = standIn(t, 'echo $$ > pid; /bin/cat output; exec /bin/sleep 1000', {
    output: reply(1, '2.5'),
  });
  const result = await check({ uri }, { timeoutMs: 3_000 });
  t.match(result, {
    outcome: 'up',
    responseTime: 0.0025,
    values: { packets: 3, loss: 2 / 3, min: 0.0025, max: 0.0025 },
  });
  t.notOk('jitter' in (result.values ?? {}), 'one packet has no jitter');
  await untilGone(Number(readFileSync(join(partial, 'pid'), 'utf8')));
});

test('a program that others end says nothing about the target', async (t) => {
  standIn(t, 'kill -9 $$');
  t.match(await check({ uri }), { ...OURS, detail: 'ping was ended by signal SIGKILL' });
});

const ACCEPTED = 'accepted: a ping:// address of a host';
const PROBLEMS: ReadonlyArray<readonly [definition: object, problem: string]> = [
  [{ uri: 'ping://a.test:7' }, `uri: given "ping://a.test:7", ${ACCEPTED}, without a port`],
  [{ uri: 'ping://a.test:80' }, `uri: given "ping://a.test:80", ${ACCEPTED}, without a port`],
  [{ uri: 'ping://a.test/x' }, `uri: given "ping://a.test/x", ${ACCEPTED}, without a path`],
  [{ uri: 'ping://a.test?x=1' }, `uri: given "ping://a.test?x=1", ${ACCEPTED}, without a query`],
  [{ uri: 'ping://-c 5' }, `uri: given "ping://-c 5", ${ACCEPTED}`],
  [{ uri, ip_version: 6 }, 'ip_version: given 6, accepted: 4 or auto, the uri has an IPv4 address'],
];

test('what is wrong with a ping job', async (t) => {
  for (const [definition, problem] of PROBLEMS) {
    const result = rules.validate(definition);
    t.strictSame(result.ok ? [] : result.problems.map(formatProblem), [problem], JSON.stringify(definition));
  }
  for (const wrong of [{ packets: 0 }, { packets: 21 }, { packets: 1.5 }, { max_loss: 1 }, { max_loss: -0.1 }])
    t.match(rules.validate({ uri, ...wrong }), { ok: false }, JSON.stringify(wrong));
  for (const right of [{}, { packets: 20, max_loss: 0 }, { uri: 'PING://[2001:db8::1]' }])
    t.match(rules.validate({ uri, ...right }), { ok: true }, JSON.stringify(right));
});
