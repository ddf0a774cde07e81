import { connect } from 'node:net';
import { test } from 'tap';
import { createFakeClock } from '../helpers/fake-clock.ts';
import { createTestServer } from './test-server.ts';

async function listen(app: Awaited<ReturnType<typeof createTestServer>>): Promise<number> {
  await app.listen({ host: '127.0.0.1', port: 0 });
  return (app.server.address() as { port: number }).port;
}

test('a server that stops ends what waits, and refuses what comes', async (t) => {
  const clock = createFakeClock();
  const app = await createTestServer(t, { clock });
  const port = await listen(app);
  const waiting = fetch(`http://127.0.0.1:${port}/website_mock?status=200&delay_ms=60000`);
  while (clock.pending === 0) await new Promise((resolve) => setImmediate(resolve));
  const closed = app.close();
  t.equal((await waiting).status, 200, 'answered at once, no time has passed');
  await closed;
  await t.rejects(fetch(`http://127.0.0.1:${port}/health/live`));
});

test('requests on open connections are told that the server stops', async (t) => {
  const clock = createFakeClock();
  let release = (): void => undefined;
  const app = await createTestServer(t, {
    clock,
    readiness: [{ name: 'slow', check: () => new Promise((resolve) => (release = () => resolve(null))) }],
  });
  const port = await listen(app);
  const socket = connect(port, '127.0.0.1');
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
  });
  const ended = new Promise((resolve) => socket.once('close', resolve));
  socket.write('GET /health/ready HTTP/1.1\r\nHost: localhost\r\n\r\n');
  while (clock.pending === 0) await new Promise((resolve) => setImmediate(resolve));
  const closed = app.close();
  socket.write('GET /job HTTP/1.1\r\nHost: localhost\r\n\r\n');
  release();
  await ended;
  t.match(text, /HTTP\/1\.1 200[\s\S]*"status":"ready"/);
  if (text.includes('HTTP/1.1 503')) t.match(text, /"code":"VED_STOPPING"/);
  await closed;
});

test('a client that holds its connection cannot hold the process', async (t) => {
  const clock = createFakeClock();
  const app = await createTestServer(t, { clock });
  const port = await listen(app);
  const socket = connect(port, '127.0.0.1');
  socket.resume().on('error', () => undefined);
  const cut = new Promise((resolve) => socket.once('close', resolve));
  // Half a request: not idle, and never complete.
  await new Promise<void>((resolve) =>
    socket.write(
      'POST /db/init HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Type: application/json\r\n\r\n{',
      () => resolve(),
    ),
  );
  while (app.server.listening && (await connections(app)) === 0) await new Promise((resolve) => setImmediate(resolve));
  const closed = app.close();
  while (clock.pending === 0) await new Promise((resolve) => setImmediate(resolve));
  await clock.advance(3_000);
  await cut;
  await closed;
  t.equal(clock.pending, 0);
});

function connections(app: Awaited<ReturnType<typeof createTestServer>>): Promise<number> {
  return new Promise((resolve, reject) =>
    app.server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
  );
}

test('requests that are sent drop by drop end at their limit', async (t) => {
  const app = await createTestServer(t, { options: { requestTimeoutMs: 1_000 } });
  const port = await listen(app);
  const begun = performance.now();
  const head = 'POST /job HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 900\r\n';
  const ended = Array.from({ length: 200 }, (_, index) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(index % 2 ? head : `${head}\r\n`));
    const drip = setInterval(() => socket.write('x'), 100);
    return new Promise<void>((resolve) =>
      socket
        .resume()
        .on('error', () => undefined)
        .on('close', () => {
          clearInterval(drip);
          resolve();
        }),
    );
  });
  await Promise.all(ended);
  t.ok(performance.now() - begun < 12_000, `${performance.now() - begun} ms`);
});
