import { createHash } from 'node:crypto';
import { ProbeFailure } from '../failure.ts';
import type { Conversation } from '../net/trial/conversation.ts';
import { Scram } from '../net/trial/scram.ts';
import type { Trial } from '../net/trial/trial.ts';
import { int32, type Message, readMessage, toMessage, unexpected } from './message.ts';

export interface Credentials {
  user: string;
  /** "": none. */
  password: string;
  database: string;
}

/** Protocol 3.0. */
const VERSION = int32(3 << 16);
const NAME = 'the login';
const SCRAM = 'SCRAM-SHA-256';
/** Kinds of requests for authentication. */
const ACCEPTED = 0;
const CLEARTEXT = 3;
const MD5 = 5;
const SASL = 10;
const SASL_CONTINUE = 11;
const SASL_FINAL = 12;

/** Logs in, until the server takes queries. Throws a ProbeFailure if it does not. */
export async function logIn(conversation: Conversation, trial: Trial, credentials: Credentials): Promise<void> {
  const { user, database } = credentials;
  const parameters = { user, database, client_encoding: 'UTF8', application_name: 'vedette' };
  const texts = Object.entries(parameters).flat();
  conversation.send(toMessage('', VERSION, `${texts.join('\0')}\0\0`));
  await authenticate(conversation, trial, credentials);
  for (;;) {
    const message = await readMessage(conversation, trial, NAME);
    if (message.type === 'Z') return;
    // The key that would cancel a query.
    if (message.type !== 'K') throw unexpected(message, NAME);
  }
}

async function authenticate(conversation: Conversation, trial: Trial, credentials: Credentials): Promise<void> {
  const { kind, data } = await readRequest(conversation, trial);
  if (kind === ACCEPTED) return;
  if (![CLEARTEXT, MD5, SASL].includes(kind)) {
    throw new ProbeFailure('protocol', `the server demands an authentication that is not known here (${kind})`);
  }
  const { user, password } = credentials;
  if (password === '') {
    trial.isAnswered = true;
    throw new ProbeFailure('status', 'the server asks for a password, and the address of the job has none');
  }
  if (kind === SASL) await bySasl(conversation, trial, data, password);
  else conversation.send(toMessage('p', `${kind === MD5 ? md5Answer(user, password, data) : password}\0`));
  const last = await readRequest(conversation, trial);
  if (last.kind !== ACCEPTED) throw new ProbeFailure('protocol', `a request of kind ${last.kind} after the password`);
}

async function bySasl(conversation: Conversation, trial: Trial, offered: Buffer, password: string): Promise<void> {
  const mechanisms = offered.toString('latin1').split('\0').filter(Boolean);
  if (!mechanisms.includes(SCRAM)) {
    throw new ProbeFailure('protocol', `the server offers ${mechanisms.join(', ')}, accepted: ${SCRAM}`);
  }
  // The name of the user came with the first message of the connection.
  const scram = new Scram(SCRAM, '', password);
  const first = Buffer.from(scram.first);
  conversation.send(toMessage('p', `${SCRAM}\0`, int32(first.length), first));
  const proceed = await readRequest(conversation, trial, SASL_CONTINUE);
  conversation.send(toMessage('p', await trial.limit.race(scram.last(proceed.data.toString('utf8')))));
  const final = await readRequest(conversation, trial, SASL_FINAL);
  scram.verify(final.data.toString('utf8'));
}

interface Request {
  kind: number;
  data: Buffer;
}

async function readRequest(conversation: Conversation, trial: Trial, expected?: number): Promise<Request> {
  const message: Message = await readMessage(conversation, trial, NAME);
  const { type, body } = message;
  if (type !== 'R' || body.length < 4) throw unexpected(message, NAME);
  const kind = body.readInt32BE(0);
  if (expected !== undefined && kind !== expected) {
    throw new ProbeFailure('protocol', `a request of kind ${kind} within SCRAM, where ${expected} has its place`);
  }
  return { kind, data: body.subarray(4) };
}

function md5Answer(user: string, password: string, salt: Buffer): string {
  const md5 = (...parts: ReadonlyArray<string | Buffer>) => {
    const hash = createHash('md5');
    for (const part of parts) hash.update(part);
    return hash.digest('hex');
  };
  return `md5${md5(md5(password, user), salt.subarray(0, 4))}`;
}
