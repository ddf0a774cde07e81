import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { type Test, test } from 'tap';
import { pem } from '../monitors/support.ts';
import { spawnVedette } from './run.ts';

/** The same numbers at each run. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const RESPONSES = [
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: text/html; charset=utf-16\r\nContent-Encoding: gzip\r\n\r\nhello',
  'HTTP/1.1 301 Moved\r\nLocation: https://[::1%25x]:99999/\r\n\r\n',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nT: x\r\n\r\n',
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n',
];
const ODD = [
  '\0',
  '\r',
  '\n',
  '\x1b[2J',
  '\xff\xfe',
  '\u202e',
  ':',
  ' ',
  '9'.repeat(400),
  'é'.repeat(9_000),
  '%',
  '\x80',
];

async function listen(t: Test, server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** Each connection gets another broken response, cut off anywhere. */
function brokenSite(t: Test): Promise<number> {
  const next = numbers(10);
  return listen(
    t,
    createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => {
        let text = RESPONSES[next(RESPONSES.length)]!;
        for (let i = next(4); i > 0; i--) {
          const at = next(text.length);
          text = text.slice(0, at) + ODD[next(ODD.length)] + text.slice(at + next(3));
        }
        socket.write(Buffer.from(text, 'latin1'));
        if (next(2) === 0) socket.resetAndDestroy();
        else socket.end();
      });
    }),
  );
}

/** Each connection meets a server whose certificate has other bytes changed, as far as Node serves it at all. */
async function brokenCertificates(t: Test, name: string, key: string, count: number): Promise<number[]> {
  const next = numbers(20);
  const der = Buffer.from(pem(name).replace(/-----[A-Z ]+-----|\s/g, ''), 'base64');
  const ports: number[] = [];
  for (let tries = 0; ports.length < count && tries < 400; tries++) {
    const changed = Buffer.from(der);
    // Not the key and not its signature: names, dates and extensions.
    for (let i = 1 + next(2); i > 0; i--) changed[20 + next(180)] = next(256);
    const cert = `-----BEGIN CERTIFICATE-----\n${changed.toString('base64')}\n-----END CERTIFICATE-----\n`;
    try {
      const server = createTlsServer({ key: pem(key), cert }, (_request, response) => response.end('ok'));
      server.on('tlsClientError', () => {});
      ports.push(await listen(t, server));
    } catch {
      // OpenSSL does not read it either.
    }
  }
  return ports;
}

const READY = /"url":"(http:[^"]+)".*"msg":"ready"/;

test('a process outlives whatever sites send: certificates, names, headers, bodies', async (t) => {
  const broken = await brokenSite(t);
  const dated = await Promise.all(
    ['not-after-is-no-date', 'not-before-is-no-date'].map((name) =>
      listen(
        t,
        createTlsServer({ key: pem('no-date-key'), cert: pem(name) }, (_request, response) => response.end('ok')),
      ),
    ),
  );
  const changed = await brokenCertificates(t, 'not-before-is-no-date', 'no-date-key', 40);
  t.ok(changed.length >= 20, `${changed.length} changed certificates are served`);
  const tls = { verify: false, expiry_warning_days: 14 };
  const common = { check_period_seconds: 1, timeout_seconds: 0.8 };
  const jobs = [
    ...Array.from({ length: 20 }, () => ({ uri: `http://127.0.0.1:${broken}/`, pattern: 'hello|x\\d' })),
    ...[...dated, ...changed].map((port) => ({ uri: `https://127.0.0.1:${port}/`, tls })),
  ].map((job, index) => ({ job_id: index + 1, ...common, ...job }));
  const cwd = t.testdir({ 'jobs.json': JSON.stringify(jobs) });
  const run = spawnVedette(t, ['serve', '--port', '0'], { cwd });
  const url = READY.exec(await run.printed(READY))?.[1] as string;
  for (const { job_id: id } of jobs.slice(15)) {
    const answer = await fetch(`${url}/job/${id}/check`, { method: 'POST' });
    t.equal(answer.status, 200, `job ${id}`);
    t.notMatch(await answer.json(), { reason: 'internal' });
  }
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  t.equal(run.child.exitCode, null, 'it runs');
  t.match(await (await fetch(url)).json(), { number_of_running_jobs: jobs.length });
  run.child.kill('SIGTERM');
  const { code, stdout, stderr } = await run.finished;
  t.equal(code, 0);
  t.notMatch(stdout + stderr, /uncaught|the monitor failed/i);
});
