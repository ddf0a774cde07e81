import { fork } from 'node:child_process';
import { once } from 'node:events';
import { gzipSync } from 'node:zlib';
import { test } from 'tap';
import { serveRaw } from '../support.ts';

const SEEDS = [
  'HTTP/1.1 200 OK\r\ncontent-length: 6\r\ncontent-type: text/html; charset=utf-8\r\n\r\nneedle',
  'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\na: b\r\n\r\n6\r\nneedle\r\n0\r\n\r\n',
  'HTTP/1.1 302 Found\r\nlocation: /x?y\r\nset-cookie: a=b; Path=/\r\ncontent-length: 0\r\n\r\n',
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\ncontent-encoding: br, deflate\r\n\r\n<meta charset=utf-16>',
  `HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n${gzipSync('needle').toString('latin1')}`,
  'HTTP/1.1 204 No\r\nkeep-alive: timeout=5\r\nconnection: keep-alive\r\n\r\n',
];

const ANSWERS = Number(process.env.FUZZ_ANSWERS ?? 600);

/** Reproducible numbers (mulberry32). */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

function mutated(random: (below: number) => number): Buffer {
  if (random(10) === 0) return Buffer.from(Array.from({ length: random(400) }, () => random(256)));
  let bytes = Buffer.from(SEEDS[random(SEEDS.length)] as string, 'latin1');
  for (let turns = random(6); turns > 0 && bytes.length > 0; turns--) {
    const at = random(bytes.length);
    const other = Buffer.from(SEEDS[random(SEEDS.length)] as string, 'latin1').subarray(random(40), 40 + random(40));
    const kind = random(4);
    if (kind === 0) bytes[at] = random(256);
    else if (kind === 1) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + random(20))]);
    else if (kind === 2) bytes = Buffer.concat([bytes.subarray(0, at), other, bytes.subarray(at)]);
    else bytes = Buffer.concat([bytes, bytes.subarray(at)]);
  }
  return bytes;
}

test('a running check loop survives whatever comes on its sockets', async (t) => {
  const seed = Number(process.env.FUZZ_SEED ?? 20_261_128);
  t.comment(`FUZZ_SEED=${seed}`);
  const random = randomNumbers(seed);
  let answers = 0;
  const site = await serveRaw(t, (socket) =>
    socket.on('data', () => {
      answers++;
      const bytes = mutated(random);
      const at = random(bytes.length + 1);
      socket.write(bytes.subarray(0, at));
      setImmediate(() => {
        if (socket.destroyed) return;
        const end = random(8);
        if (end === 0) socket.resetAndDestroy();
        else if (end === 1) socket.write(bytes.subarray(at));
        else socket.end(bytes.subarray(at));
      });
    }),
  );
  const child = fork(new URL('fuzz-loop.ts', import.meta.url), [String(site.port)], { execArgv: ['--import=tsx'] });
  const exited = once(child, 'exit');
  const early = exited.then(([code]) => `ended early, exit code ${code}`);
  const enough = (async () => {
    while (answers < ANSWERS) await new Promise((resolve) => setTimeout(resolve, 50));
    return 'enough';
  })();
  t.equal(await Promise.race([early, enough]), 'enough');
  const told = once(child, 'message');
  child.send('end');
  const [counts] = (await told) as [Record<string, number>];
  t.strictSame(await exited, [0, null]);
  t.comment(JSON.stringify(counts));
  t.ok(
    Object.keys(counts).every((name) => !name.includes('internal')),
    JSON.stringify(counts),
  );
  t.ok((counts['up '] ?? 0) > 50);
});
