// A site that answers as cheaply as Node can, after the delay that the path names, and keeps how long it really took
// from having a request to writing its answer. Run by benchmarks in a process of its own.
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { Served, TargetOrder } from './orders.ts';

const BODY = `<!doctype html><html><head><title>A page</title></head><body>\n${'<p>Some words of a page.</p>\n'.repeat(16)}<p>all is well</p></body></html>`;
const ANSWER = Buffer.from(
  `HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: ${BODY.length}\r\nconnection: close\r\n\r\n${BODY}`,
);

let served: Served[] = [];

function onConnection(socket: Socket): void {
  let text = '';
  socket.on('error', () => {}); // The prober went away: it knows why.
  socket.on('data', (bytes) => {
    const arrivedAt = performance.now();
    text += bytes.toString('latin1');
    if (text.endsWith('\r\n\r\n')) answer(socket, text, arrivedAt);
  });
}

function answer(socket: Socket, request: string, arrivedAt: number): void {
  const delayMs = Number(/^GET \/(\d+)/.exec(request)?.[1] ?? 0);
  if (delayMs === 0) {
    socket.end(ANSWER);
    return;
  }
  const tag = /\r\nvedette-slot: ([^\r]*)/i.exec(request)?.[1] ?? '';
  setTimeout(() => {
    served.push([tag, performance.now() - arrivedAt]);
    socket.end(ANSWER);
  }, delayMs);
}

async function listen(tls: { cert: string; key: string } | null): Promise<number> {
  const server: Server = tls
    ? createTlsServer({ ...tls, minVersion: 'TLSv1.3', noDelay: true }, onConnection)
    : createServer({ noDelay: true }, onConnection);
  await new Promise<void>((resolve) => server.listen({ host: '0.0.0.0', port: 0, backlog: 4096 }, resolve));
  return (server.address() as AddressInfo).port;
}

process.on('message', async (order: TargetOrder) => {
  if (order.kind === 'listen') process.send?.({ port: await listen(order.tls) });
  else {
    process.send?.(served);
    served = [];
  }
});
process.on('disconnect', () => process.exit());
process.on('SIGINT', () => {}); // Ctrl-C reaches all processes; the one that runs the benchmark ends this one.
