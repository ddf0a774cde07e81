import { ProbeFailure } from '../failure.ts';
import type { Conversation } from '../net/trial/conversation.ts';
import type { Trial } from '../net/trial/trial.ts';

/** A message of the server: its type, one letter, and what follows its length. */
export interface Message {
  type: string;
  body: Buffer;
}

/** Limit of one message, in bytes. */
export const MAX_BYTES = 65_536;
const MAX_NOTICES = 1_000;
/** Notices, parameters and notifications, which may come at any time. */
const ASIDE = new Set(['N', 'S', 'A']);
const SQLSTATE = /^[0-9A-Z]{5}$/;

/** A message of type `type`; "" for the first one of a connection, which has none. */
export function toMessage(type: string, ...parts: ReadonlyArray<string | Buffer>): Buffer {
  const body = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
  const head = Buffer.alloc(type.length + 4, type);
  head.writeInt32BE(body.length + 4, type.length);
  return Buffer.concat([head, body]);
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

/**
 * Returns the next message that is no aside. Throws a ProbeFailure if it is an error, whose SQLSTATE is the status then, or
 * no message at all.
 */
export async function readMessage(conversation: Conversation, trial: Trial, name: string): Promise<Message> {
  const awaited = `answer to ${name}`;
  for (let count = 0; count <= MAX_NOTICES; count++) {
    const message = await conversation.read(next, { awaited });
    if (message.type === 'E') throw refused(message.body, trial, awaited);
    if (!ASIDE.has(message.type)) return message;
  }
  throw new ProbeFailure('protocol', `more than ${MAX_NOTICES} notices in place of the ${awaited}`);
}

/** Returns the type, for people, of a message that does not fit. */
export const unexpected = ({ type }: Message, name: string) =>
  new ProbeFailure('protocol', `the answer to ${name} is a message of type ${JSON.stringify(type)}`);

function next(bytes: Buffer): { value: Message; length: number } | null {
  const type = bytes.toString('latin1', 0, 1);
  if (type !== '' && !/[A-Za-z0-9]/.test(type)) throw malformed(bytes);
  if (bytes.length < 5) return null;
  const length = bytes.readInt32BE(1);
  // Four letters in place of a length are a larger number.
  if (length < 4 || length > 0x20_00_00_00) throw malformed(bytes);
  if (length > MAX_BYTES) {
    throw new ProbeFailure('too_large', `a message of ${length} bytes, accepted: up to ${MAX_BYTES}`);
  }
  const end = length + 1;
  // Copied, because what was received moves.
  return bytes.length < end ? null : { value: { type, body: Buffer.from(bytes.subarray(5, end)) }, length: end };
}

function refused(body: Buffer, trial: Trial, awaited: string): ProbeFailure {
  const fields = new Map<string, string>();
  for (const field of body.toString('utf8').split('\0')) fields.set(field.charAt(0), field.slice(1));
  const code = fields.get('C') ?? '';
  trial.isAnswered = true;
  trial.status = SQLSTATE.test(code) ? code : 'XX000';
  return new ProbeFailure('status', `the ${awaited} is an error: ${code} ${fields.get('M') ?? ''}`);
}

const SHOWN_BYTES = 60;

const malformed = (bytes: Buffer) =>
  new ProbeFailure('protocol', `no message of PostgreSQL: ${JSON.stringify(bytes.toString('utf8', 0, SHOWN_BYTES))}`);
