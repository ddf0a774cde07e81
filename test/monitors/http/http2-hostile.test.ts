import type { Socket } from 'node:net';
import { createServer } from 'node:tls';
import { type Test, test } from 'tap';
import { check, listen, pem, type Site } from '../support.ts';

const options = { http_version: '2', tls: { ca: pem('ca') } };

const [DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION] = Array(10).keys();
const [END_STREAM, END_HEADERS, PADDED] = [1, 4, 8] as const;

function frame(type: number | undefined, flags: number, stream: number, payload: Buffer | number[] = []): Buffer {
  const body = Buffer.from(payload);
  const head = Buffer.alloc(9);
  head.writeUIntBE(body.length, 0, 3);
  head.writeUInt8(type ?? 0, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, body]);
}

/** A literal field of HPACK; lengths are integers with a prefix of 7 bits. */
function field(name: string, value: string, kind = 0): Buffer {
  return Buffer.concat([Buffer.from([kind]), text(name), text(value)]);
}
function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1');
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  const length: number[] = [127];
  let rest = bytes.length - 127;
  for (; rest >= 128; rest = Math.floor(rest / 128)) length.push((rest % 128) + 128);
  return Buffer.concat([Buffer.from([...length, rest]), bytes]);
}

const OK = Buffer.from([0x88]);
const HINTS = field(':status', '103');
const settings = frame(SETTINGS, 0, 0);
const head = (block: Buffer, flags: number = END_HEADERS) => frame(HEADERS, flags, 1, block);
const ok = (...fields: Buffer[]) => head(Buffer.concat([OK, ...fields]));
const whole = (...fields: Buffer[]) => head(Buffer.concat([OK, ...fields]), END_HEADERS | END_STREAM);
const data = (body: string, flags: number = 0) => frame(DATA, flags, 1, Buffer.from(body));
const last = (body: string) => data(body, END_STREAM);
const rst = (code: number) => frame(RST, 0, 1, [0, 0, 0, code]);
const goaway = (stream: number, code: number) => frame(GOAWAY, 0, 0, [0, 0, 0, stream, 0, 0, 0, code]);

/** A site that agrees to HTTP/2 and then does what it likes. */
function serveFrames(t: Test, onRequest: (socket: Socket) => void): Promise<Site> {
  const served = { key: pem('server'), cert: pem('server'), ALPNProtocols: ['h2'] };
  const server = createServer(served, (socket) => {
    socket.on('error', () => {}).once('data', () => onRequest(socket));
  });
  return listen(t, server, 'https', '127.0.0.1');
}

function isAtLeast(major: number, minor: number, version: string): boolean {
  const [first = 0, second = 0] = version.split('.').map(Number);
  return first > major || (first === major && second >= minor);
}

/** Writes it again and again for as long as the client takes it. */
function flood(socket: Socket, bytes: Buffer): void {
  const many = Buffer.concat(Array.from({ length: 1_000 }, () => bytes));
  const go = () => {
    while (!socket.destroyed && socket.write(many));
  };
  socket.on('drain', go);
  go();
}

const long = 'x'.repeat(9_000);
/** From nghttp2 1.69 on, Node.js tells of frames that it can't read; before, it says goodbye to the site and tells nobody. */
const TELLS = isAtLeast(1, 69, process.versions.nghttp2 ?? '');
const UNREADABLE = { reason: TELLS ? 'protocol' : 'timeout' };
const answers: ReadonlyArray<readonly [name: string, answer: Buffer | readonly Buffer[], expected: object]> = [
  ['answers well', [ok(), last('ok')], { outcome: 'up', bytes: 2 }],
  ['answers without a body', [whole()], { outcome: 'up', bytes: 0 }],
  ['asks for nothing else before', [frame(PING, 0, 0, Buffer.alloc(8)), ok(), last('ok')], { outcome: 'up' }],
  ['pads', [ok(), frame(DATA, PADDED | END_STREAM, 1, [3, 111, 107, 0, 0, 0])], { outcome: 'up', bytes: 2 }],
  ['has trailers', [ok(), data('ok'), head(field('a', 'b'), END_HEADERS | END_STREAM)], { outcome: 'up', bytes: 2 }],
  ['hints first', [head(HINTS), head(HINTS), ok(), last('ok')], { outcome: 'up', status: '200' }],
  ['says goodbye with its answer', [goaway(1, 0), ok(), last('ok')], { outcome: 'up' }],
  ['says nothing of HTTP/2', Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'), UNREADABLE],
  ['is no HTTP', Buffer.from('SSH-2.0-OpenSSH_9.2\r\n'.repeat(9)), UNREADABLE],
  ['ends within a frame', [ok().subarray(0, 5)], { reason: 'connect', detail: /without a response/ }],
  ['ends before an answer', [], { reason: 'connect', detail: /without a response/ }],
  ['ends within the body', [ok(), data('half')], { reason: 'body', status: '200', detail: /middle of the body/ }],
  ['refuses the stream', [rst(7)], { reason: 'protocol', status: null, detail: /HTTP\/2: REFUSED_STREAM$/ }],
  ['wants HTTP/1.1', [rst(13)], { reason: 'protocol', detail: /HTTP_1_1_REQUIRED$/ }],
  ['resets without a reason', [rst(0)], { reason: 'connect', detail: /without a response/ }],
  ['has a code of its own', [rst(99)], { reason: 'protocol', detail: /HTTP\/2: code 99$/ }],
  ['resets within the body', [ok(), data('half'), rst(2)], { reason: 'body', detail: /INTERNAL_ERROR$/ }],
  ['cancels within the body', [ok(), data('half'), rst(8)], { reason: 'body', detail: /CANCEL$/ }],
  ['resets a body it is short of', [ok(field('content-length', '9')), data('half'), rst(0)], { reason: 'body' }],
  ['goes away', [goaway(0, 0)], { reason: 'protocol', detail: /REFUSED_STREAM$/ }],
  ['goes away with an error', [goaway(1, 2)], { reason: 'protocol', detail: /INTERNAL_ERROR$/ }],
  ['goes away within the body', [ok(), data('half'), goaway(1, 11)], { reason: 'body', detail: /ENHANCE_YOUR_CALM$/ }],
  ['pushes', [frame(PUSH, END_HEADERS, 1, [0, 0, 0, 2, 0x82]), ok(), last('ok')], { outcome: 'up' }],
  ['has a longer body than it says', [ok(field('content-length', '2')), last('more')], { reason: 'body' }],
  ['has a shorter body than it says', [ok(field('content-length', '9')), last('less')], { reason: 'body' }],
  ['has two lengths', [whole(field('content-length', '0'), field('content-length', '2'))], { reason: 'protocol' }],
  ['has a body with 204', [head(Buffer.from([0x89])), last('body')], { outcome: 'down' }],
  ['has no status', [head(field('a', 'b'), END_HEADERS | END_STREAM)], { reason: 'protocol' }],
  ['has a bad status', [head(field(':status', 'abc'), END_HEADERS | END_STREAM)], { reason: 'protocol' }],
  ['upgrades', [head(field(':status', '101'), END_HEADERS), ok(), last('ok')], { reason: 'protocol' }],
  ['has a header of HTTP/1', [whole(field('connection', 'close'))], { reason: 'protocol' }],
  ['has a name in upper case', [whole(field('Server', 'x'))], { reason: 'protocol' }],
  ['has a line feed in a header', [ok(field('server', 'x\ny')), last('ok')], { outcome: 'up' }],
  [
    'never comes to the point',
    Array(30).fill(head(HINTS)),
    { reason: 'protocol', detail: 'too many interim responses' },
  ],
  [
    'has large headers',
    [head(OK, 0), ...Array(8).fill(frame(CONTINUATION, 0, 1, field('a', long))), frame(CONTINUATION, 5, 1)],
    { outcome: 'down', reason: /protocol|too_large/ },
  ],
  [
    'has headers that grow when they are unpacked',
    [ok(field('a', 'x'.repeat(3_900), 0x40), Buffer.alloc(900, 0xbe)), last('ok')],
    { reason: 'too_large', detail: 'headers of the response are too large' },
  ],
  ['has thousands of headers', [whole(Buffer.alloc(3_000, 0x8f))], { reason: 'protocol' }],
  ['has large trailers', [ok(), data('ok'), head(field('a', long), END_HEADERS | END_STREAM)], { outcome: 'up' }],
  ['cannot pack headers', [head(Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff]))], UNREADABLE],
  ['has a body before its headers', [last('ok')], UNREADABLE],
  ['answers what nobody asked', [frame(HEADERS, 5, 3, OK)], { reason: 'protocol' }],
  ['has a frame that is too large', [Buffer.from([255, 255, 255, 0, 0, 0, 0, 0, 1])], UNREADABLE],
  ['pads more than there is', [ok(), frame(DATA, PADDED, 1, [9, 1])], { reason: TELLS ? 'body' : 'timeout' }],
  ['has a window without end', [frame(WINDOW, 0, 0, [127, 255, 255, 255])], { reason: 'protocol' }],
  ['has a bad setting', [frame(SETTINGS, 0, 0, [0, 4, 255, 255, 255, 255])], { reason: 'protocol' }],
  ['has half a setting', [frame(SETTINGS, 0, 0, [0, 4, 0])], UNREADABLE],
  [
    'sends more than the window',
    [ok(), ...Array(200).fill(data('x'.repeat(16_384)))],
    TELLS ? { reason: 'body' } : { outcome: 'up' },
  ],
];

test('what a site may do instead of answering by HTTP/2: each has its reason, and leaves nothing open', async (t) => {
  await Promise.all(
    answers.map(async ([name, answer, expected]) => {
      const site = await serveFrames(t, (socket) => {
        socket.write(Buffer.concat([settings, ...[answer].flat()]));
        if (name.startsWith('ends')) socket.end();
      });
      const result = await check({ uri: site.uri, ...options }, { timeoutMs: 1_500 });
      t.match(result, { outcome: 'down', ...expected }, `a site that ${name} (${result.reason}: ${result.detail})`);
      await site.quiet();
    }),
  );
});

function reasonOf(flood: string): string | RegExp {
  if (flood === 'empty DATA') return 'body';
  // Padding fills the window: who notices first?
  return TELLS && flood === 'padding' ? /^(body|protocol)$/ : 'protocol';
}

test('floods end after some bytes, long before the time is over', async (t) => {
  for (const [name, before, bytes] of [
    ['SETTINGS', [], settings],
    ['PING', [], frame(PING, 0, 0, Buffer.alloc(8))],
    ['answers to PING', [], frame(PING, 1, 0, Buffer.alloc(8))],
    ['WINDOW_UPDATE', [], frame(WINDOW, 0, 1, [0, 0, 0, 1])],
    ['PRIORITY', [], frame(PRIORITY, 0, 1, [0, 0, 0, 0, 1])],
    ['unknown frames', [], frame(99, 0, 0, Buffer.alloc(100))],
    ['interim responses', [], head(HINTS)],
    ['empty CONTINUATION', [head(OK, 0)], frame(CONTINUATION, 0, 1)],
    ['CONTINUATION', [head(OK, 0)], frame(CONTINUATION, 0, 1, field('a', 'b'))],
    ['empty DATA', [ok()], frame(DATA, 0, 1)],
    ['padding', [ok()], frame(DATA, PADDED, 1, [200, ...Array(200).fill(0)])],
    ['GOAWAY', [], goaway(1, 0)],
    ['streams that nobody asked for', [], frame(HEADERS, 5, 2, OK)],
  ] as const) {
    const site = await serveFrames(t, (socket) => {
      socket.write(Buffer.concat([settings, ...before]));
      flood(socket, bytes);
    });
    const startedAt = performance.now();
    const result = await check({ uri: site.uri, ...options }, { timeoutMs: 8_000 });
    const took = performance.now() - startedAt;
    t.match(result, { outcome: 'down', reason: reasonOf(name) }, `${name}: ${result.detail}`);
    t.ok(took < 4_000, `${name}: ${Math.round(took)} ms`);
    await site.quiet();
  }
});

test('whatever HTTP/2 waits for, an abort or the time ends it at once and leaves nothing open', async (t) => {
  for (const [name, behaviour] of Object.entries({
    silent: () => {},
    settings: (socket: Socket) => socket.write(settings),
    noStreams: (socket: Socket) => socket.write(frame(SETTINGS, 0, 0, [0, 3, 0, 0, 0, 0])),
    noWindow: (socket: Socket) => socket.write(frame(SETTINGS, 0, 0, [0, 4, 0, 0, 0, 0])),
    headers: (socket: Socket) => socket.write(Buffer.concat([settings, ok()])),
    halfHeaders: (socket: Socket) => socket.write(Buffer.concat([settings, head(OK, 0)])),
    drip: (socket: Socket) => {
      socket.write(Buffer.concat([settings, ok()]));
      const timer = setInterval(() => socket.write(data('x')), 20);
      socket.on('close', () => clearInterval(timer));
    },
    deaf: (socket: Socket) => {
      socket.pause();
      socket.write(settings);
    },
  })) {
    const site = await serveFrames(t, behaviour);
    const posting = { ...options, uri: site.uri, method: 'POST', body: 'x'.repeat(200_000) };
    t.match(await check(posting, { timeoutMs: 200 }), { outcome: 'down', reason: 'timeout' }, `${name}, time`);
    if (name !== 'deaf') await site.quiet();
    const controller = new AbortController();
    const aborted = check({ ...options, uri: site.uri }, { signal: controller.signal });
    setTimeout(() => controller.abort(), 100);
    t.match(await aborted, { outcome: 'down', reason: 'stopped' }, `${name}, abort`);
    if (name !== 'deaf') await site.quiet();
  }
});
