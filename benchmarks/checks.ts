// Checks per CPU-second of this process, over fresh connections to a server of its own process: the http monitor, plain
// undici with a client for each request, node:http, and bare sockets, one after the other in each round.
// usage: node --import=tsx benchmarks/checks.ts [checks a round]
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { get } from 'node:http';
import { type AddressInfo, connect, createServer } from 'node:net';
import { Client } from 'undici';
import { monitors } from '../src/monitors/index.ts';
import type { Probe } from '../src/monitors/monitor.ts';
import { createGate } from '../src/monitors/net/gate.ts';
import { report, round } from './machine.ts';

const HOSTS = 200;
const CONCURRENCY = 50;
const ROUNDS = 5;

/** Many addresses, because one pair of them runs out of ports. */
const hostOf = (index: number) => `127.0.${1 + ((index % HOSTS) >> 6)}.${1 + (index % 64)}`;

function serve(): void {
  const answer = 'HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok';
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end(answer));
  });
  server.listen(0, '0.0.0.0', () => process.send?.((server.address() as AddressInfo).port));
  process.on('disconnect', () => process.exit());
}

type Check = (index: number) => Promise<unknown>;

function candidates(port: number): Record<string, Check> {
  const prepared = (mode: 'off' | 'deny_internal', more: object = {}): Check => {
    const context = { gate: createGate({ mode, allow: ['127.0.0.0/8'] }), userAgent: 'benchmark' };
    const probes: Probe[] = Array.from({ length: HOSTS }, (_, index) =>
      monitors.get('http').prepare({ uri: `http://${hostOf(index)}:${port}/`, ...more }, context),
    );
    return async (index) => {
      const { signal } = new AbortController();
      const { outcome, detail } = await (probes[index % HOSTS] as Probe)({
        timeoutMs: 10_000,
        slotTag: `${index}/1`,
        signal,
      });
      if (outcome !== 'up') throw new Error(detail);
    };
  };
  return {
    vedette: prepared('off'),
    vedette_gate_on: prepared('deny_internal'),
    vedette_with_pattern: prepared('off', { pattern: '^o[k]$' }),
    undici_client_per_request: async (index) => {
      const client = new Client(`http://${hostOf(index)}:${port}`);
      const { body } = await client.request({ path: '/', method: 'GET', reset: true });
      await body.text();
      await client.close();
    },
    node_http: (index) =>
      new Promise((resolve, reject) => {
        get({ host: hostOf(index), port, agent: false }, (response) => response.resume().on('end', resolve)).on(
          'error',
          reject,
        );
      }),
    bare_socket: (index) =>
      new Promise((resolve, reject) => {
        const host = hostOf(index);
        const socket = connect({ host, port });
        socket.on('connect', () => socket.write(`GET / HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`));
        socket
          .on('data', () => {})
          .on('close', resolve)
          .on('error', reject);
      }),
  };
}

async function perCpuSecond(check: Check, checks: number): Promise<number> {
  let next = 0;
  const before = process.cpuUsage();
  await Promise.all(
    Array.from({ length: CONCURRENCY }, async () => {
      while (next < checks) await check(next++);
    }),
  );
  const { user, system } = process.cpuUsage(before);
  return checks / ((user + system) / 1e6);
}

async function run(checks: number): Promise<void> {
  const child = fork(new URL(import.meta.url), ['target']);
  const [port] = (await once(child, 'message')) as [number];
  const all = candidates(port);
  const best: Record<string, number> = {};
  // The first round warms up.
  for (let turn = 0; turn <= ROUNDS; turn++) {
    for (const [name, check] of Object.entries(all)) {
      const rate = await perCpuSecond(check, turn === 0 ? 500 : checks);
      if (turn > 0) best[name] = Math.max(best[name] ?? 0, rate);
    }
  }
  child.disconnect();
  const plain = best.undici_client_per_request as number;
  const rounded = (values: Array<[string, number]>, digits: number) =>
    Object.fromEntries(values.map(([name, value]) => [name, round(value, digits)]));
  report('checks', {
    unit: 'checks per CPU-second of the checking process, fresh connections, best of the rounds',
    rounds: ROUNDS,
    checks_a_round: checks,
    checks_per_cpu_second: rounded(Object.entries(best), 0),
    ratio_to_undici_client_per_request: rounded(
      Object.entries(best).map(([name, rate]) => [name, rate / plain]),
      2,
    ),
  });
}

if (process.argv[2] === 'target') serve();
else await run(Number(process.argv[2] ?? 3_000));
