import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { Test } from 'tap';
import { freePort } from '../../../scripts/free-port.ts';
import { createDataFolder } from '../../helpers/data-folder.ts';
import { listen, pem, serveProgram, serveRaw } from '../support.ts';

export const PASSWORD = 'open:s€same/';
const USERS: ReadonlyMap<string, string> = new Map([
  ['default', PASSWORD],
  ['probe', 'of the probe'],
]);

/** Ports without and with TLS. */
interface RedisPorts {
  plain: number;
  secure: number;
}

/** A strict server of a few commands: anything but arrays of bulk strings is refused, and closes. */
function speak(socket: Socket): void {
  let received = Buffer.alloc(0);
  let isIn = false;
  const data = new Map<string, string>();
  const answers: Record<string, (...args: string[]) => string> = {
    AUTH: (...args) => {
      const [user, password] = args.length === 1 ? ['default', args[0]] : args;
      isIn = USERS.get(user ?? '') === password;
      return isIn ? '+OK' : '-WRONGPASS invalid username-password pair or user is disabled.';
    },
    PING: () => '+PONG',
    DBSIZE: () => `:${data.size}`,
    SELECT: (index = '') => (Number(index) < 16 ? '+OK' : '-ERR DB index is out of range'),
    SET: (name = '', value = '') => {
      data.set(name, value);
      return '+OK';
    },
    GET: (name = '') => bulk(data.get(name)),
    STRLEN: (name = '') => `:${Buffer.byteLength(data.get(name) ?? '')}`,
    EVAL: (script = '') => (script.includes('{') ? `*2\r\n${bulk('one')}\r\n*1\r\n:2` : bulk('x€')),
  };
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
    for (;;) {
      const [head, count] = /^\*(\d+)\r\n/.exec(received.toString('latin1')) ?? [];
      if (head === undefined) break;
      let at = head.length;
      const words: string[] = [];
      while (words.length < Number(count)) {
        const [line, length] = /^\$(\d+)\r\n/.exec(received.toString('latin1', at)) ?? [];
        if (line === undefined) return;
        at += line.length + Number(length);
        if (received.length < at + 2) return;
        words.push(received.toString('utf8', at - Number(length), at));
        if (received.toString('latin1', at, at + 2) !== '\r\n') socket.destroy();
        at += 2;
      }
      received = received.subarray(at);
      const [name = '', ...args] = words;
      const answer = answers[name];
      if (!isIn && name !== 'AUTH') socket.write('-NOAUTH Authentication required.\r\n');
      else socket.write(`${answer?.(...args) ?? `-ERR unknown command '${name}'`}\r\n`);
    }
    if (received.length > 0 && received[0] !== 0x2a) socket.end('-ERR Protocol error: expected an array\r\n');
  });
}

const bulk = (text: string | undefined) => (text === undefined ? '$-1' : `$${Buffer.byteLength(text)}\r\n${text}`);

async function startStub(t: Test): Promise<RedisPorts> {
  const plain = await serveRaw(t, speak, 'redis');
  const server = createTlsServer({ key: pem('server'), cert: pem('server') }, speak);
  server.on('tlsClientError', () => {});
  const secure = await listen(t, server, 'rediss', '127.0.0.1');
  return { plain: plain.port, secure: secure.port };
}

async function startReal(t: Test): Promise<RedisPorts> {
  const ports = { plain: await freePort(), secure: await freePort() };
  const settings = [
    ...['bind 127.0.0.1', `port ${ports.plain}`, `tls-port ${ports.secure}`, 'save ""', 'tls-auth-clients no'],
    ...['tls-cert-file server.pem', 'tls-key-file server.pem', 'tls-ca-cert-file server.pem'],
    // By their digests, because words end at spaces.
    ...[...USERS].map(([name, password]) => {
      return `user ${name} on ~* &* +@all #${createHash('sha256').update(password).digest('hex')}`;
    }),
  ];
  const folder = await createDataFolder(t);
  writeFileSync(`${folder}/server.pem`, pem('server'));
  writeFileSync(`${folder}/redis.conf`, `${settings.join('\n')}\n`);
  await serveProgram(t, 'redis-server', ['redis.conf'], ports.secure, folder);
  return ports;
}

/** Each with the reason why it cannot be started here. */
export const SERVERS = [
  { name: 'a strict server of its protocol', start: startStub, lacks: false },
  {
    name: 'redis-server',
    start: startReal,
    lacks: spawnSync('redis-server', ['--version']).status === 0 ? false : 'there is no redis-server on the PATH',
  },
] as const;
