import { randomInt } from 'node:crypto';
import { AUTHENTIC_DATA, type DecodedPacket, decode, encode, RECURSION_DESIRED } from 'dns-packet';
import { ProbeFailure } from '../failure.ts';
import type { Part } from '../net/trial/conversation.ts';
import type { RecordType } from './records.ts';

export interface Query {
  name: string;
  type: RecordType;
}

export interface Reply extends DecodedPacket {
  rcode?: string;
}

export interface EncodedQuery extends Query {
  id: number;
  data: Buffer;
}

/** Largest answer by UDP that is asked for; a longer one comes by TCP (DNS flag day 2020). */
const UDP_BYTES = 1_232;

/** Asks with recursion, and whether the answer is authentic (AD in a query, RFC 6840 5.7). */
export function encodeQuery({ name, type }: Query): EncodedQuery {
  const id = randomInt(0x1_0000);
  const data = encode({
    type: 'query',
    id,
    flags: RECURSION_DESIRED | AUTHENTIC_DATA,
    questions: [{ type, name, class: 'IN' }],
    additionals: [
      {
        type: 'OPT',
        name: '.',
        udpPayloadSize: UDP_BYTES,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: 0,
        flag_do: false,
        options: [],
      },
    ],
  });
  return { name, type, id, data };
}

/** Returns the reply to a query; null for a packet that is none, which anybody may have sent. */
export function readReply(bytes: Buffer, { id, name, type }: EncodedQuery): Reply | null {
  if (bytes.length < 12 || bytes.readUInt16BE(0) !== id) return null;
  let reply: Reply;
  try {
    reply = decode(bytes);
    // The library reads past the end of the last record.
    if (decode.bytes > bytes.length) throw new Error('it is cut off');
  } catch (error) {
    throw new ProbeFailure('protocol', `the answer cannot be read: ${(error as Error).message}`);
  }
  const [question] = reply.questions ?? [];
  if (reply.type !== 'response' || question?.type !== type) return null;
  return question.name.toLowerCase() === name.toLowerCase() ? reply : null;
}

/** A message on a stream has its length before it. */
export const framed = (data: Buffer): Buffer =>
  Buffer.concat([Buffer.from([data.length >> 8, data.length & 255]), data]);

export function readFramed(bytes: Buffer, query: EncodedQuery): Part<Reply> | null {
  if (bytes.length < 2) return null;
  const length = 2 + bytes.readUInt16BE(0);
  if (bytes.length < length) return null;
  const value = readReply(bytes.subarray(2, length), query);
  if (value === null) throw new ProbeFailure('protocol', 'the answer is one to another question');
  return { value, length };
}
