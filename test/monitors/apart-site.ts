import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Test } from 'tap';

/** A site whose event loop is its own: it answers `ms` after it has read a request for `/ms`, and prints the real delay. */
const SITE = `
  const { createServer } = require('node:http');
  const server = createServer((request, response) => {
    const readAt = performance.now();
    const ms = Number(request.url.slice(1));
    setTimeout(() => {
      response.end('ok');
      console.log(performance.now() - readAt);
    }, ms);
  });
  server.listen(0, '127.0.0.1', () => console.log(server.address().port));`;

export async function startSite(t: Test): Promise<{ site: string; lastDelayMs: () => number }> {
  const child: ChildProcess = spawn(process.execPath, ['-e', SITE], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  const [port] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  let last = 0;
  child.stdout?.on('data', (text: Buffer) => {
    last = Number(text.toString().trim().split('\n').at(-1));
  });
  return { site: `http://127.0.0.1:${Number(port)}`, lastDelayMs: () => last };
}

/** Holds up the event loop. */
export function stall(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}
