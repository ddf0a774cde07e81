import { setTimeout as pause } from 'node:timers/promises';
import { test } from 'tap';
import { checkBy, serveRaw } from '../support.ts';

// The types of Node.js do not have it.
const { WebAssembly } = globalThis as unknown as {
  WebAssembly: { instantiate(...args: unknown[]): Promise<unknown> };
};

test('the first check of a process waits until ssh2 can read', async (t) => {
  // It instantiates a cipher when it is loaded, which takes as long as the machine likes.
  const { instantiate } = WebAssembly;
  t.teardown(() => Object.assign(WebAssembly, { instantiate }));
  Object.assign(WebAssembly, {
    async instantiate(...args: unknown[]) {
      await pause(300);
      return instantiate(...args);
    },
  });
  // Loaded by the check, not before: the helpers of the servers would load ssh2, too.
  const { port } = await serveRaw(t, (socket) => {
    let received = '';
    socket.write('SSH-2.0-Plain\r\n');
    socket.on('data', (data) => {
      received += data.toString('latin1');
      // Its answer to the identification: a proposal of algorithms.
      if (received.includes('curve25519-sha256')) socket.end();
    });
  });
  const result = await checkBy('ssh', { uri: `ssh://127.0.0.1:${port}` }, { timeoutMs: 5_000 });
  t.match(result, { outcome: 'down', detail: /^connection closed before the key exchange/ });
});
