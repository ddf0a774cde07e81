// Targets of jobs of other types than http, each as cheap as Node can. Run by benchmarks in a process of its own.
import { createSocket } from 'node:dgram';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { decode, encode } from 'dns-packet';
import { WebSocketServer } from 'ws';
import type { ManyPorts, ManyTargetsOrder } from './orders.ts';

function ignoreErrors(socket: Socket): Socket {
  return socket.on('error', () => {}); // The prober went away: it knows why.
}

function listen(onSocket: (socket: Socket) => void): Promise<number> {
  const server: Server = createServer({ noDelay: true }, (socket) => onSocket(ignoreErrors(socket)));
  return new Promise((resolve) => {
    server.listen({ host: '0.0.0.0', port: 0, backlog: 4096 }, () => resolve((server.address() as AddressInfo).port));
  });
}

/** One socket for each address, because an answer has to come from the one that was asked. */
async function answerDatagrams(addresses: readonly string[], answer: (data: Buffer) => Buffer): Promise<number> {
  let port = 0;
  for (const address of addresses) {
    const socket = createSocket({ type: 'udp4', recvBufferSize: 2 ** 20 }, (data, peer) =>
      socket.send(answer(data), peer.port, peer.address),
    );
    await new Promise<void>((resolve, reject) => socket.once('error', reject).bind(port, address, resolve));
    port = socket.address().port;
  }
  return port;
}

function answerName(query: Buffer): Buffer {
  const { id, questions = [] } = decode(query);
  const name = questions[0]?.name ?? '';
  const answers = [{ type: 'A' as const, name, ttl: 60, data: '192.0.2.1' }];
  return encode({ type: 'response', id: id ?? 0, flags: 0x180, questions, answers });
}

function listenForWebSockets(): Promise<number> {
  return new Promise((resolve) => {
    const server: WebSocketServer = new WebSocketServer({ host: '0.0.0.0', port: 0, backlog: 4096 }, () =>
      resolve((server.address() as AddressInfo).port),
    );
    server.on('connection', (socket) => socket.on('error', () => {}));
  });
}

process.on('message', async ({ addresses }: ManyTargetsOrder) => {
  const ports: ManyPorts = {
    tcp: await listen((socket) => socket.end('220 ready\r\n')),
    redis: await listen((socket) => socket.on('data', () => socket.write('+PONG\r\n'))),
    udp: await answerDatagrams(addresses, (data) => data),
    dns: await answerDatagrams(addresses, answerName),
    websocket: await listenForWebSockets(),
  };
  process.send?.(ports);
});
process.on('disconnect', () => process.exit());
process.on('SIGINT', () => {}); // Ctrl-C reaches all processes; the one that runs the benchmark ends this one.
