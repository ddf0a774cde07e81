// Bytes on the wire of one plain HTTP check over a fresh connection, beside the answer's own: handshake, headers, closing.
// It reads the counters of the loopback interface, so it needs a network of its own (Linux, root):
// unshare -n sh -c 'ip link set lo up && npx tsx benchmarks/check-traffic.ts'
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { monitors } from '../src/monitors/index.ts';
import { createGate } from '../src/monitors/net/gate.ts';
import { report, round } from './machine.ts';

const CHECKS = 500;
const answer = 'HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok';

const received = (): number => {
  const line = readFileSync('/proc/self/net/dev', 'utf8')
    .split('\n')
    .find((text) => text.trim().startsWith('lo:'));
  return Number(line?.split(':')[1]?.trim().split(/\s+/)[0]);
};

const server = createServer((socket) => {
  socket.on('error', () => {});
  socket.once('data', () => socket.end(answer));
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const uri = `http://127.0.0.1:${(server.address() as AddressInfo).port}/a-page`;
const context = { gate: createGate({ mode: 'off', allow: [] }), userAgent: 'Vedette/0.1 (website monitor)' };
const probe = monitors.get('http').prepare({ uri }, context);
const before = received();
for (let n = 0; n < CHECKS; n++) await probe({ timeoutMs: 5_000, signal: new AbortController().signal });
const perCheck = (received() - before) / CHECKS;
server.close();
report('check-traffic', { checks: CHECKS, bytes_per_check: round(perCheck, 0), of_them_answer: answer.length });
