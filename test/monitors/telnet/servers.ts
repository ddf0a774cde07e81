import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import type { Test } from 'tap';
import { createDataFolder } from '../../helpers/data-folder.ts';
import { listen, type Site, serveRaw } from '../support.ts';

/** In ASCII: without options a connection has seven bits. */
export const PASSWORD = 'open:sesame/';

const [IAC, DONT, DO, WONT, WILL, SB, SE] = [255, 254, 253, 252, 251, 250, 240];
const [ECHO, TERMINAL_TYPE, WINDOW_SIZE, NEW_ENVIRON] = [1, 24, 31, 39];

/**
 * A strict server: it asks for options as telnetd does, lets nobody go on before each was refused, and closes at anything
 * else than lines and refusals. The reason is kept in `faults`.
 */
export function speak(faults: string[]) {
  return (socket: Socket): void => {
    const open = new Set([
      `${DONT} ${ECHO}`,
      ...[TERMINAL_TYPE, WINDOW_SIZE, NEW_ENVIRON].map((code) => `${WONT} ${code}`),
    ]);
    let received = Buffer.alloc(0);
    let user: string | null = null;
    let isIn = false;
    socket.write(Buffer.from([IAC, DO, TERMINAL_TYPE, IAC, DO, WINDOW_SIZE, IAC, WILL]));
    // A command may come in two pieces.
    setImmediate(() => {
      socket.write(Buffer.from([ECHO, IAC, SB, NEW_ENVIRON, 1, IAC, IAC, 65, IAC, SE, IAC, DO, NEW_ENVIRON]));
    });
    const onLine = (line: string) => {
      if (isIn) {
        if (line === 'exit') socket.end('bye\r\n');
        // A byte of its own is sent twice, a carriage return alone with a NUL.
        else
          socket.write(
            Buffer.concat([Buffer.from(`you said ${line}\r\0\xe9`, 'latin1'), Buffer.from([IAC, IAC]), PROMPT]),
          );
      } else if (user === null) {
        user = line;
        socket.write('Password: ');
      } else {
        isIn = user === 'probe' && line === PASSWORD;
        if (isIn) socket.write(Buffer.concat([Buffer.from('\r\nLast login: Mon\r\n'), PROMPT]));
        else {
          user = null;
          socket.write('\r\nLogin incorrect\r\nlogin: ');
        }
      }
    };
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      for (;;) {
        if (received[0] === IAC) {
          if (received.length < 3) return;
          const refusal = `${received[1]} ${received[2]}`;
          if (!open.delete(refusal)) faults.push(`refuses what was not offered: ${refusal}`);
          received = received.subarray(3);
          if (open.size === 0) socket.write('\r\nswitch login: ');
          continue;
        }
        const end = received.indexOf('\r\n');
        if (end < 0) return;
        if (open.size > 0) faults.push('talks before it has refused');
        onLine(received.toString('utf8', 0, end));
        received = received.subarray(end + 2);
      }
    });
  };
}

const PROMPT = Buffer.from('switch> ');

async function startStub(t: Test): Promise<Site & { faults: string[] }> {
  const faults: string[] = [];
  return Object.assign(await serveRaw(t, speak(faults), 'telnet'), { faults });
}

const TELNETD = '/usr/sbin/telnetd';

/** Says what login would say, which needs an account. */
const LOGIN = `#!/bin/sh
printf 'switch login: '
while read -r user; do
  printf 'Password: '
  read -r password
  if [ "$user" = probe ] && [ "$password" = '${PASSWORD}' ]; then
    printf 'Last login: Mon\\nswitch> '
    while read -r line; do
      [ "$line" = exit ] && exit 0
      printf 'you said %s\\nswitch> ' "$line"
    done
    exit 0
  fi
  printf 'Login incorrect\\nswitch login: '
done
`;

/** As a superserver does it: the connection is its standard input and output. */
async function startReal(t: Test): Promise<Site & { faults: string[] }> {
  const folder = await createDataFolder(t);
  writeFileSync(`${folder}/login`, LOGIN, { mode: 0o755 });
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    const program = spawn(TELNETD, ['-E', `${folder}/login`], { stdio: [socket, socket, 'inherit'] });
    program.on('error', () => {});
    t.teardown(() => void program.kill());
    socket.destroy();
  });
  return Object.assign(await listen(t, server, 'telnet', '127.0.0.1'), { faults: [] });
}

/** Each with the reason why it cannot be started here. */
export const SERVERS = [
  { name: 'a strict server of its protocol', start: startStub, lacks: false },
  {
    name: 'telnetd of GNU inetutils',
    start: startReal,
    lacks: existsSync(TELNETD) ? false : `there is no ${TELNETD}`,
  },
] as const;
