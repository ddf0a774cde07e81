import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { StartTls } from '../../../src/monitors/net/trial/starttls.ts';
import { pem } from '../support.ts';

type Speak = (socket: Socket, upgrade: () => void) => void;

/** Answers each line by the first pattern that fits; `upgrade` follows an answer to the last one. */
function lines(greeting: string, answers: ReadonlyArray<readonly [RegExp, string]>): Speak {
  return (socket, upgrade) => {
    socket.write(greeting);
    socket.on('data', function onData(chunk) {
      const index = answers.findIndex(([pattern]) => pattern.test(chunk.toString()));
      const [, answer] = answers[index] ?? [/x/, '500 what?\r\n'];
      socket.write(answer);
      if (index !== answers.length - 1) return;
      socket.off('data', onData);
      upgrade();
    });
  };
}

const MYSQL_GREETING = Buffer.concat([
  Buffer.from([10]),
  Buffer.from('8.4.0\0'),
  Buffer.from([1, 0, 0, 0, ...Buffer.from('saltsalt'), 0, 0xff, 0xff, 45, 2, 0, 0xff, 0xc1, 21]),
  Buffer.alloc(10),
  Buffer.from('morepepperhere\0mysql_native_password\0'),
]);
const LDAP_SUCCESS = Buffer.from([0x30, 12, 0x02, 1, 1, 0x78, 7, 0x0a, 1, 0, 0x04, 0, 0x04, 0]);

/** Reads a request of `length` bytes; the handshake may follow without a pause. */
function binary(greeting: Buffer | null, length: number | undefined, answer: Buffer | null): Speak {
  return (socket, upgrade) => {
    if (greeting !== null) socket.write(greeting);
    socket.once('readable', () => {
      socket.read(length);
      if (answer !== null) socket.write(answer);
      upgrade();
    });
  };
}

/** Servers of which another client (openssl) is convinced, too. */
const SPEECH: Readonly<Record<StartTls, Speak>> = {
  smtp: lines('220-mail.test\r\n220 ready\r\n', [
    [/^EHLO /, '250-mail.test\r\n250-STARTTLS\r\n250 HELP\r\n'],
    [/^STARTTLS/, '220 go on\r\n'],
  ]),
  ftp: lines('220 ready\r\n', [
    [/^FEAT/, '211-Features\r\n AUTH TLS\r\n211 End\r\n'],
    [/^AUTH TLS/, '234 go on\r\n'],
  ]),
  imap: lines('* OK ready\r\n', [
    [/^(\S+) CAPABILITY/, '* CAPABILITY IMAP4rev1 STARTTLS\r\n. OK done\r\n'],
    [/^\S+ STARTTLS/, '* 1 EXISTS\r\nv1 OK go on\r\n'],
  ]),
  pop3: lines('+OK ready\r\n', [[/^STLS/, '+OK go on\r\n']]),
  postgres: binary(null, 8, Buffer.from('S')),
  mysql: binary(Buffer.concat([Buffer.from([MYSQL_GREETING.length, 0, 0, 0]), MYSQL_GREETING]), 36, null),
  ldap: binary(null, undefined, LDAP_SUCCESS),
};

/** A server of a protocol that is upgraded to TLS, and then says `secret`. */
export const speaking = (protocol: StartTls) => (socket: Socket) => {
  SPEECH[protocol](socket, () => {
    const secured = new TLSSocket(socket, { isServer: true, key: pem('server'), cert: pem('server') });
    // What it has written before the end of the handshake would keep it open.
    secured.on('error', () => {}).on('end', () => secured.destroy());
    secured.resume();
    secured.write('secret\r\n');
  });
};
