import { createServer } from 'node:net';

/**
 * Listens where a server will listen, and stops at once, so that a process that could not be reached afterwards makes
 * nothing on disk or in a database. Rejects as `listen` does.
 */
export function tryPort({ host, port }: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', reject);
    server.listen({ host, port }, () => server.close(() => resolve()));
  });
}
