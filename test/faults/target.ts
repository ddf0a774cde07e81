// An independent website that counts what it serves, run as a process of its own so that it outlives what it measures.
// What it answers follows from the slot alone: a reader of its log can recompute every status.
// usage: node --import=tsx target.ts   (prints "listening <port>", ends when stdin closes)
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { servingMs, TARGET_ADDRESSES } from './target-log.ts';

/** `<job_id>/<slot>` -> how the request ended: the status sent, or 0 when the client went away first. */
const served: Array<[tag: string, status: number]> = [];

function statusOf(tag: string): number {
  let hash = 2166136261;
  for (let i = 0; i < tag.length; i++) hash = Math.imul(hash ^ tag.charCodeAt(i), 16777619);
  const roll = (hash >>> 8) % 100;
  return roll < 70 ? 200 : roll < 90 ? 404 : 500;
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  if (request.url === '/__served') {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(served));
    return;
  }
  const tag = String(request.headers['vedette-slot'] ?? 'none');
  const status = statusOf(tag);
  const entry: [string, number] = [tag, 0];
  served.push(entry);
  setTimeout(() => {
    if (response.destroyed) return;
    entry[1] = status;
    response.writeHead(status, { 'content-type': 'text/plain' }).end('ok');
  }, servingMs(status));
}

const servers = TARGET_ADDRESSES.map(() => createServer({ keepAliveTimeout: 1_000 }, answer));
const [first, ...others] = servers;
first.listen(0, TARGET_ADDRESSES[0], () => {
  const { port } = first.address() as { port: number };
  let waiting = others.length;
  others.forEach((server, index) => {
    server.listen(port, TARGET_ADDRESSES[index + 1], () => {
      waiting--;
      if (waiting === 0) console.log(`listening ${port}`);
    });
  });
});
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
