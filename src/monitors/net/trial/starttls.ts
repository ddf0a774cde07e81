import { ProbeFailure } from '../../failure.ts';
import type { Connection, ConnectTarget, TlsChoice } from '../dial.ts';
import { type Conversation, type ConverseOptions, converse, type Part, secure } from './conversation.ts';

/** Agrees on TLS in plain text, so that the handshake comes next. Throws a ProbeFailure if the server does not agree. */
type Agree = (conversation: Conversation) => Promise<void>;

/** The protocols whose connections can be upgraded to TLS. */
const STARTTLS = {
  smtp: async (conversation) => {
    await reply(conversation, 'greeting', '220');
    conversation.send('EHLO vedette.invalid\r\n');
    await reply(conversation, 'answer to EHLO', '250');
    conversation.send('STARTTLS\r\n');
    await reply(conversation, 'answer to STARTTLS', '220');
  },
  ftp: async (conversation) => {
    await reply(conversation, 'greeting', '220');
    conversation.send('AUTH TLS\r\n');
    await reply(conversation, 'answer to AUTH TLS', '234');
  },
  imap: async (conversation) => {
    await line(conversation, 'greeting', /^\* (OK|PREAUTH)\b/i);
    conversation.send('v1 STARTTLS\r\n');
    // Untagged lines may come before it.
    for (let lines = 0; lines < MAX_LINES; lines++) {
      const text = await readLine(conversation, 'answer to STARTTLS');
      if (text.startsWith('* ')) continue;
      if (/^v1 OK\b/i.test(text)) return;
      throw refused('answer to STARTTLS', text);
    }
    throw new ProbeFailure('protocol', `no answer to STARTTLS in ${MAX_LINES} lines`);
  },
  pop3: async (conversation) => {
    await line(conversation, 'greeting', /^\+OK\b/);
    conversation.send('STLS\r\n');
    await line(conversation, 'answer to STLS', /^\+OK\b/);
  },
  postgres: async (conversation) => {
    conversation.send(SSL_REQUEST);
    const answer = await conversation.read((bytes) => part(bytes, 1, (one) => one.toString('latin1')), {
      awaited: 'answer to SSLRequest',
    });
    if (answer !== 'S') throw refused('answer to SSLRequest', answer);
  },
  mysql: async (conversation) => {
    const greeting = await conversation.read(mysqlPacket, { awaited: 'greeting' });
    if (greeting[0] !== 10) throw refused('greeting', greeting.subarray(3).toString('latin1'));
    const afterVersion = greeting.indexOf(0, 1) + 1;
    // Thread, salt and filler come before the lower half of the capabilities.
    const at = afterVersion + 13;
    if (afterVersion === 0 || at + 2 > greeting.length) throw new ProbeFailure('protocol', 'the greeting is cut off');
    if ((greeting.readUInt16LE(at) & CLIENT_SSL) === 0) throw new ProbeFailure('tls', 'the server offers no TLS');
    conversation.send(MYSQL_SSL_REQUEST);
  },
  ldap: async (conversation) => {
    conversation.send(LDAP_STARTTLS);
    const message = await conversation.read(berElement, { awaited: 'answer to StartTLS' });
    // Message number 1, then an extended response (0x78), which begins with the result code (0x0a, one byte).
    const at = message.indexOf(Buffer.from([0x02, 0x01, 0x01, 0x78]));
    const response = at < 0 ? null : readBer(message.subarray(at + 3));
    const [tag, , code] = response ? message.subarray(at + 3 + response.head) : [];
    if (tag !== 0x0a || code === undefined) throw new ProbeFailure('protocol', 'the answer to StartTLS is malformed');
    if (code !== 0) throw new ProbeFailure('tls', `the answer to StartTLS is result code ${code}`);
  },
} as const satisfies Record<string, Agree>;

export type StartTls = keyof typeof STARTTLS;

export interface OpenOptions {
  target: ConnectTarget;
  /** How TLS is agreed on in plain text; null: it is not. */
  upgrade: { protocol: StartTls; tls: TlsChoice } | null;
}

/** Opens a conversation, on TLS if the target has it or it can be agreed on. Throws a ProbeFailure; then nothing is open. */
export async function open(
  { target, upgrade }: OpenOptions,
  how: ConverseOptions,
): Promise<{ conversation: Conversation; connection: Connection }> {
  const opened = await converse(target, how);
  if (upgrade === null) return opened;
  const { protocol, tls } = upgrade;
  try {
    await STARTTLS[protocol](opened.conversation);
  } catch (error) {
    opened.conversation.close();
    throw error;
  }
  return secure(opened.conversation, { ...target, tls }, how);
}

/** Their names. */
export const STARTTLS_PROTOCOLS = Object.keys(STARTTLS) as StartTls[];

const MAX_LINES = 100;
const CLIENT_SSL = 0x0800;
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);
/** 32 bytes, the second packet: capabilities (protocol 4.1, TLS, secure connection), longest packet, UTF-8, filler. */
const MYSQL_SSL_REQUEST = Buffer.concat([
  Buffer.from([32, 0, 0, 1, 0x00, 0x8a, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 45]),
  Buffer.alloc(23),
]);
const STARTTLS_OID = '1.3.6.1.4.1.1466.20037';
/** Message 1: an extended request (0x77) with the name (0x80) of the operation. */
const LDAP_STARTTLS = Buffer.concat([
  Buffer.from([0x30, STARTTLS_OID.length + 7, 0x02, 0x01, 0x01, 0x77, STARTTLS_OID.length + 2, 0x80]),
  Buffer.from([STARTTLS_OID.length]),
  Buffer.from(STARTTLS_OID),
]);

const refused = (what: string, text: string) => new ProbeFailure('tls', `the ${what} is ${JSON.stringify(text)}`);

async function readLine(conversation: Conversation, awaited: string): Promise<string> {
  return conversation.read(
    (bytes) => {
      const end = bytes.indexOf('\n');
      return end < 0 ? null : { value: bytes.toString('utf8', 0, end).trimEnd(), length: end + 1 };
    },
    { awaited },
  );
}

async function line(conversation: Conversation, awaited: string, expected: RegExp): Promise<void> {
  const text = await readLine(conversation, awaited);
  if (!expected.test(text)) throw refused(awaited, text);
}

/** A reply of SMTP or FTP: lines `220-...`, of which the last is `220 ...`. */
async function reply(conversation: Conversation, awaited: string, code: string): Promise<void> {
  for (let lines = 0; lines < MAX_LINES; lines++) {
    const text = await readLine(conversation, awaited);
    if (!text.startsWith(code)) throw refused(awaited, text);
    if (text.charAt(3) !== '-') return;
  }
  throw new ProbeFailure('protocol', `the ${awaited} does not end after ${MAX_LINES} lines`);
}

function part<T>(bytes: Buffer, length: number, read: (bytes: Buffer) => T): Part<T> | null {
  return bytes.length < length ? null : { value: read(bytes.subarray(0, length)), length };
}

/** Three bytes of length, one of sequence. */
function mysqlPacket(bytes: Buffer): Part<Buffer> | null {
  if (bytes.length < 4) return null;
  const length = 4 + bytes.readUIntLE(0, 3);
  return part(bytes, length, (packet) => Buffer.from(packet.subarray(4)));
}

function berElement(bytes: Buffer): Part<Buffer> | null {
  if (bytes.length > 0 && bytes[0] !== 0x30) throw new ProbeFailure('protocol', 'the answer to StartTLS is malformed');
  const element = readBer(bytes);
  return element === null ? null : part(bytes, element.head + element.length, (whole) => Buffer.from(whole));
}

/** Lengths of the head and the content of the first element; null if more is needed. Throws for more than 64 kB. */
function readBer(bytes: Buffer): { head: number; length: number } | null {
  const [, first] = bytes;
  if (first === undefined) return null;
  if (first < 0x80) return { head: 2, length: first };
  const count = first & 0x7f;
  if (count === 0 || count > 2) throw new ProbeFailure('protocol', 'the answer to StartTLS is malformed');
  return bytes.length < 2 + count ? null : { head: 2 + count, length: bytes.readUIntBE(2, count) };
}
