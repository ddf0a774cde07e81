import { connect, createServer, type Server, type Socket } from 'node:net';
import { Transform } from 'node:stream';
import type { Test } from 'tap';

export interface FaultProxy {
  host: string;
  port: number;
  /** Connections open now. */
  readonly connections: number;
  /** Every chunk, either way, takes `ms` longer. 0 ends it. */
  delay(ms: number): void;
  /** Bytes are taken and never passed on, either way or one way only; connections stay open. */
  swallow(direction?: 'both' | 'toServer' | 'toClient'): void;
  /** New connections are refused, as by a machine without the server. Open ones stay. */
  refuse(): Promise<void>;
  /** Open connections are reset (RST). New ones are taken as before. */
  reset(): void;
  /** Open connections are closed in order (FIN). */
  close(): void;
  /** Refuses and resets: the server is gone. */
  cut(): Promise<void>;
  /** Resets a connection as soon as the client sends bytes for which `matches` says yes, before (or after) they are passed on. */
  cutWhen(matches: (chunk: Buffer) => boolean, when?: 'before' | 'after'): void;
  /**
   * Until `heal`, faults touch only connections whose first bytes hold `text`, such as the name a client gives itself.
   * New connections are then taken even by `refuse` and `cut`, and those aimed at reset when they say who they are.
   */
  aim(text: string): void;
  /** Everything passes again, connections made meanwhile included; swallowed bytes stay lost. */
  heal(): Promise<void>;
}

interface Faults {
  delayMs: number;
  aim: string | null;
  refuseAimed: boolean;
  swallow: 'none' | 'both' | 'toServer' | 'toClient';
  cutWhen: { matches: (chunk: Buffer) => boolean; when: 'before' | 'after' } | null;
}

interface Connection {
  /** Answers are swallowed. */
  muted: boolean;
  /** The first bytes of the client, once there are any. */
  hello: Buffer | null;
  drop: () => void;
}

/** A TCP proxy on loopback that misbehaves when told to. Closed at teardown. */
export async function createFaultProxy(
  t: Pick<Test, 'teardown'>,
  target: { host: string; port: number },
  listenPort = 0,
): Promise<FaultProxy> {
  const faults: Faults = { delayMs: 0, aim: null, refuseAimed: false, swallow: 'none', cutWhen: null };
  const clients = new Map<Socket, Connection>();
  const host = '127.0.0.1';
  let server = serve();
  const port = await listen(server, listenPort);

  function serve(): Server {
    // A client that says it has no more to send may still wait for answers.
    return createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
      const upstream = connect({ ...target, allowHalfOpen: true, noDelay: true });
      const connection: Connection = {
        muted: false,
        hello: null,
        drop: () => {
          client.resetAndDestroy();
          upstream.resetAndDestroy();
        },
      };
      clients.set(client, connection);
      client.on('error', connection.drop).on('close', () => {
        clients.delete(client);
        upstream.destroy();
      });
      upstream.on('error', connection.drop).on('close', () => client.destroy());
      client.pipe(pass('toServer', connection)).pipe(upstream);
      upstream.pipe(pass('toClient', connection)).pipe(client);
    });
  }

  function isMeant({ hello }: Connection): boolean {
    return faults.aim === null || (hello?.includes(faults.aim) ?? false);
  }

  function pass(direction: 'toServer' | 'toClient', connection: Connection): Transform {
    return new Transform({
      transform(chunk: Buffer, _encoding, done) {
        if (direction === 'toServer') connection.hello ??= chunk;
        if (!isMeant(connection)) return done(null, chunk);
        if (faults.refuseAimed) return connection.drop();
        if (faults.swallow === 'both' || faults.swallow === direction) return done();
        if (connection.muted && direction === 'toClient') return done();
        const { cutWhen } = faults;
        if (cutWhen && direction === 'toServer' && cutWhen.matches(chunk)) {
          faults.cutWhen = null;
          if (cutWhen.when === 'before') return connection.drop();
          // The server gets it and has time to act on it; its answer is lost.
          connection.muted = true;
          setTimeout(connection.drop, 100);
        }
        if (faults.delayMs > 0) setTimeout(() => done(null, chunk), faults.delayMs);
        else done(null, chunk);
      },
    });
  }

  async function refuse(): Promise<void> {
    faults.refuseAimed = faults.aim !== null;
    if (faults.refuseAimed) return;
    // close() calls back only when the connections are gone, too; no longer listening is at once.
    server.close();
    await new Promise((resolve) => setImmediate(resolve));
  }

  const proxy: FaultProxy = {
    host,
    port,
    get connections() {
      return clients.size;
    },
    delay: (ms) => {
      faults.delayMs = ms;
    },
    swallow: (direction = 'both') => {
      faults.swallow = direction;
    },
    refuse,
    reset: () => {
      for (const [client, connection] of clients) if (isMeant(connection)) client.resetAndDestroy();
    },
    close: () => {
      for (const [client, connection] of clients) if (isMeant(connection)) client.end();
    },
    cut: async () => {
      await refuse();
      proxy.reset();
    },
    cutWhen: (matches, when = 'before') => {
      faults.cutWhen = { matches, when };
    },
    aim: (text) => {
      faults.aim = text;
    },
    heal: async () => {
      Object.assign(faults, { delayMs: 0, aim: null, refuseAimed: false, swallow: 'none', cutWhen: null });
      if (server.listening) return;
      server = serve();
      await listen(server, port);
    },
  };
  t.teardown(() => proxy.cut());
  return proxy;
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
  });
}
