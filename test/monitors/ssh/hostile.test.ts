import { connect, type Socket } from 'node:net';
import type { Connection } from 'ssh2';
import { type Test, test } from 'tap';
import { checkBy, type Site, serveRaw } from '../support.ts';
import { fingerprintOf, IDENTIFICATION, newKey, PROPOSAL, packetOf, proposalOf, says, serveSsh } from './servers.ts';

const check = (options: object, more: Parameters<typeof checkBy>[2] = {}) => checkBy('ssh', options, more);

type Hostile = readonly [name: string, onSocket: (socket: Socket) => void, found: object];

const flood =
  (text: string | Buffer, before = '') =>
  (socket: Socket): void => {
    const bytes = Buffer.concat(Array.from({ length: 1_000 }, () => Buffer.from(text)));
    const more = () => {
      while (!socket.destroyed && socket.write(bytes));
    };
    if (before !== '') socket.write(before);
    socket.on('drain', more);
    more();
  };

function drip(socket: Socket): void {
  const timer = setInterval(() => socket.write('S'), 1);
  socket.on('close', () => clearInterval(timer));
}

const ignored = packetOf(Buffer.concat([Buffer.from([2, 0, 0, 0, 200]), Buffer.alloc(200)]));
const disconnect = packetOf(
  Buffer.concat([Buffer.from([1, 0, 0, 0, 12, 0, 0, 0, 10]), Buffer.from('too \x1b[2Jny'), Buffer.alloc(4)]),
);
const reply = (...parts: readonly number[]) => packetOf(Buffer.from([31, ...parts]));
const lengths = (length: number, padding: number) => {
  const bytes = Buffer.alloc(64, padding);
  bytes.writeUInt32BE(length);
  return bytes;
};
const [many, lists] = ['a,'.repeat(10_000), Array.from({ length: 10 }, () => 'none')];

const HOSTILE: readonly Hostile[] = [
  ['closes at once', (socket) => socket.end(), { reason: 'connect', detail: /before the identification$/ }],
  ['resets', (socket) => socket.resetAndDestroy(), { reason: 'connect' }],
  ['is silent', () => {}, { reason: 'timeout', detail: 'no identification within 700 ms' }],
  ['drips', drip, { reason: 'timeout' }],
  [
    'is a website',
    (socket) => socket.end('HTTP/1.1 400 Bad\r\n\r\n'),
    { reason: 'protocol', detail: /"HTTP\/1.1 400/ },
  ],
  ['floods without a line', flood('x'), { reason: 'protocol', detail: /in the first 8192 bytes/ }],
  ['greets without end', flood('welcome\r\n'), { reason: 'protocol', detail: /in the first 8192 bytes/ }],
  ['speaks SSH 1', says('SSH-1.5-old\r\n'), { reason: 'protocol', detail: 'it is "SSH-1.5-old", accepted: SSH-2.0' }],
  ['identifies itself only', says(IDENTIFICATION), { reason: 'timeout', detail: 'no key exchange within 700 ms' }],
  [
    'goes after it',
    (socket) => socket.end(IDENTIFICATION),
    { reason: 'connect', detail: 'connection closed before the key exchange' },
  ],
  ['has a strange line', says('SSH-2.0-\x00 \x1b[2J\r\n', 'x'.repeat(100)), { reason: 'protocol' }],
  ['talks on', says(IDENTIFICATION, 'x'.repeat(100)), { reason: 'protocol' }],
  ['has a huge packet', says(IDENTIFICATION, lengths(0x7fffffff, 8)), { reason: 'protocol' }],
  ['has no packet', says(IDENTIFICATION, lengths(0, 8)), { reason: /protocol|timeout/ }],
  ['has a short packet', says(IDENTIFICATION, lengths(12, 255)), { reason: /protocol|timeout/ }],
  ['begins a long packet', says(IDENTIFICATION, lengths(32_764, 8)), { reason: 'timeout' }],
  ['has half a proposal', says(IDENTIFICATION, packetOf(PROPOSAL.subarray(0, 40))), { reason: 'protocol' }],
  [
    'knows nothing of ours',
    says(IDENTIFICATION, packetOf(proposalOf(lists))),
    { reason: 'protocol', detail: /no matching key exchange algorithm/ },
  ],
  ['proposes a lot', says(IDENTIFICATION, packetOf(proposalOf([many, ...lists.slice(1)]))), { reason: 'protocol' }],
  ['proposes and waits', says(IDENTIFICATION, packetOf(PROPOSAL)), { reason: 'timeout' }],
  ['proposes without end', flood(packetOf(PROPOSAL), IDENTIFICATION), { outcome: 'down' }],
  ['answers with nothing', says(IDENTIFICATION, packetOf(PROPOSAL), reply()), { reason: 'protocol' }],
  [
    'answers with a long key',
    says(IDENTIFICATION, packetOf(PROPOSAL), reply(255, 255, 255, 255)),
    { reason: 'protocol' },
  ],
  [
    'answers with empty texts',
    says(IDENTIFICATION, packetOf(PROPOSAL), reply(...Buffer.alloc(12))),
    { reason: 'protocol' },
  ],
  [
    'has keys of nonsense',
    says(IDENTIFICATION, packetOf(PROPOSAL), keysOf('ssh-ed25519'), packetOf(Buffer.from([21]))),
    { reason: 'protocol' },
  ],
  ['has new keys at once', says(IDENTIFICATION, packetOf(Buffer.from([21]))), { reason: /protocol|timeout/ }],
  ['lets in at once', says(IDENTIFICATION, packetOf(Buffer.from([52]))), { reason: /protocol|timeout/ }],
  ['sends nothing of use', flood(ignored, IDENTIFICATION), { reason: /too_large|protocol/ }],
  [
    'says goodbye',
    says(IDENTIFICATION, disconnect),
    { reason: 'status', status: 'DISCONNECT', detail: 'it disconnects: too  [2Jny' },
  ],
];

/** A reply whose key, share and signature are as long as they should be, and nothing else. */
function keysOf(type: string): Buffer {
  const text = (bytes: Buffer) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return Buffer.concat([length, bytes]);
  };
  const typed = (length: number) => text(Buffer.concat([text(Buffer.from(type)), text(Buffer.alloc(length, 7))]));
  return packetOf(Buffer.concat([Buffer.from([31]), typed(32), text(Buffer.alloc(32, 9)), typed(64)]));
}

test('hostile servers end as their own failure, and leave nothing open', async (t) => {
  for (const [name, onSocket, found] of HOSTILE) {
    const site = await serveRaw(t, (socket) => onSocket(socket.resume()), 'ssh');
    for (const uri of [site.uri, site.uri.replace('//', '//me:secret@')]) {
      const result = await check({ uri }, { timeoutMs: 700 });
      t.match(result, { outcome: 'down', ...found }, `${name}: ${result.reason} ${result.detail}`);
      await site.quiet();
    }
  }
});

/** Passes on what a server says to its client with one byte changed. */
function changing(t: Test, port: number, at: () => number): Promise<Site> {
  return serveRaw(
    t,
    (client) => {
      const onward = connect(port, '127.0.0.1');
      let seen = 0;
      client.pipe(onward);
      onward.on('data', (chunk) => {
        const index = at() - seen;
        if (index >= 0 && index < chunk.length) chunk[index] ^= 0x11;
        seen += chunk.length;
        client.write(chunk);
      });
      onward.on('error', () => {}).on('close', () => client.destroy());
      client.on('close', () => onward.destroy());
    },
    'ssh',
  );
}

test('whatever byte is changed on its way, a check ends as a failure of the connection or is up', async (t) => {
  const hostKey = newKey();
  const real = await serveSsh(t, hostKey);
  let at = 0;
  const site = await changing(t, real.port, () => at);
  const uri = site.uri.replace('//', '//me:secret@');
  const reasons = new Map<string, number>();
  for (at = 0; at < 2_000; at += 23) {
    const result = await check({ uri, command: { run: 'echo 1' } }, { timeoutMs: 400 });
    const reason = result.reason ?? result.outcome;
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    t.match(reason, /^(up|protocol|timeout|connect|status)$/, `byte ${at}: ${result.reason} ${result.detail}`);
    await site.quiet();
  }
  t.ok((reasons.get('protocol') ?? 0) > 20, `${[...reasons]}`);
});

test('a signature that does not fit is refused before anything is said', async (t) => {
  const hostKey = newKey();
  const real = await serveSsh(t, hostKey);
  // Found from the end of the reply: its signature comes last.
  let at = -1;
  const site = await serveRaw(
    t,
    (client) => {
      const onward = connect(real.port, '127.0.0.1');
      client.pipe(onward);
      onward.on('data', (chunk) => {
        const index = chunk.indexOf(Buffer.from('ssh-ed25519\0\0\0\x40'));
        if (index >= 0 && chunk.indexOf(20, 0) !== 5) {
          at = index + 30;
          chunk[at] ^= 1;
        }
        client.write(chunk);
      });
      onward.on('error', () => {}).on('close', () => client.destroy());
      client.on('close', () => onward.destroy());
    },
    'ssh',
  );
  t.match(await check({ uri: site.uri, host_keys: [fingerprintOf(hostKey)] }), {
    ...{ outcome: 'down', reason: 'protocol', detail: /signature verification failed/ },
  });
  t.ok(at > 0);
});

/** What ssh2's own server keeps inside, for what a decent one never does. */
interface ServerProtocol {
  _authsQueue: string[];
  _handlers: { USERAUTH_REQUEST: () => void };
  authPKOK(algorithm: string, key: Buffer): void;
}

test('a server that asks for one signature after the other gets few', async (t) => {
  const [hostKey, userKey] = [newKey(), newKey()];
  const offered = 2_000;
  let protocol: ServerProtocol | undefined;
  let signed = 0;
  const site = await serveSsh(t, hostKey, {
    onConnection(connection: Connection) {
      protocol = (connection as unknown as { _protocol: ServerProtocol })._protocol;
    },
    authenticate(context) {
      if (context.method !== 'publickey' || protocol === undefined) return context.reject(['publickey']);
      protocol._handlers.USERAUTH_REQUEST = () => {
        signed++;
      };
      for (let index = 0; index < offered; index++) {
        protocol._authsQueue.unshift('publickey');
        protocol.authPKOK('', Buffer.alloc(0));
      }
    },
  });
  const uri = site.uri.replace('//', '//me@');
  t.match(await check({ uri, private_key: userKey.private }), {
    ...{ outcome: 'down', reason: 'protocol', detail: 'it demands over 200 packets in return' },
  });
  await site.quiet();
  // The last ones may be lost with the connection.
  t.ok(signed > 0 && signed < 200, `${signed} signatures`);
});
