import { createServer } from 'node:net';
import type { Settings } from '../settings.ts';

/**
 * Tries to listen where the server will, and lets go again: nothing is made on disk or in a database by a process that
 * cannot be reached afterwards. Rejects as `listen` does.
 */
export function tryPort({ host, port }: Settings['server']): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', reject);
    server.listen({ host, port }, () => server.close(() => resolve()));
  });
}
