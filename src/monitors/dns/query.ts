import { randomInt } from 'node:crypto';
import { AUTHENTIC_DATA, type DecodedPacket, decode, encode, type Question, RECURSION_DESIRED } from 'dns-packet';
import { ProbeFailure } from '../failure.ts';
import type { Part } from '../net/trial/conversation.ts';
import { libraryName, type RecordType, recordText } from './records.ts';

export interface Query {
  name: string;
  type: RecordType;
}

export interface Reply {
  /** `NOERROR`, `NXDOMAIN`, ...; null for one without a name. */
  code: string | null;
  /** Whether it did not fit into a datagram. */
  isCut: boolean;
  /** Whether the resolver has verified it by DNSSEC. */
  isAuthentic: boolean;
  /** The records of the type that was asked for. */
  records: ReadonlyArray<{ text: string; ttl: number }>;
}

export interface EncodedQuery extends Query {
  id: number;
  data: Buffer;
}

/** Largest answer by UDP that is asked for; a longer one comes by TCP (DNS flag day 2020). */
const UDP_BYTES = 1_232;

/** Asks with recursion, and whether the answer is authentic (AD in a query, RFC 6840 5.7). */
export function encodeQuery({ name, type }: Query, id = randomInt(0x1_0000)): EncodedQuery {
  const data = encode({
    type: 'query',
    id,
    flags: RECURSION_DESIRED | AUTHENTIC_DATA,
    questions: [{ type: libraryName(type) as Question['type'], name, class: 'IN' }],
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
export function readReply(bytes: Buffer, query: EncodedQuery): Reply | null {
  if (bytes.length < HEAD_BYTES || bytes.readUInt16BE(0) !== query.id || !hasQuestion(bytes, query)) return null;
  try {
    const packet: DecodedPacket & { rcode?: string } = decode(bytes);
    // The library reads past the end of the last record.
    if (decode.bytes > bytes.length) throw new Error('it is cut off');
    return toReply(packet, query);
  } catch (error) {
    throw new ProbeFailure('protocol', `the answer cannot be read: ${(error as Error).message}`);
  }
}

const HEAD_BYTES = 12;

/** Looked at before the rest, whose reading may cost much: a hostile peer sends a hundred packets that are no reply. */
function hasQuestion(bytes: Buffer, { data }: EncodedQuery): boolean {
  // A name ends with a NUL; type and class follow.
  const end = data.indexOf(0, HEAD_BYTES) + 5;
  const text = (of: Buffer) => of.toString('latin1', HEAD_BYTES, end).toLowerCase();
  return text(bytes) === text(data);
}

function toReply(packet: DecodedPacket & { rcode?: string }, { name, type }: Query): Reply | null {
  const [question] = packet.questions ?? [];
  const bare = (text: string) => text.toLowerCase().replace(/(.)\.$/, '$1');
  if (packet.type !== 'response' || question === undefined || bare(question.name) !== bare(name)) return null;
  const asked = libraryName(type);
  if (question.type !== asked) return null;
  const found = (packet.answers ?? []).filter((answer) => answer.type === asked);
  return {
    code: packet.rcode ?? null,
    isCut: packet.flag_tc,
    isAuthentic: packet.flag_ad,
    records: found.map((answer) => ({
      text: recordText(type, 'data' in answer ? answer.data : undefined),
      ttl: 'ttl' in answer ? Number(answer.ttl ?? 0) : 0,
    })),
  };
}

/** A message on a stream has its length before it. */
export const framed = (data: Buffer): Buffer =>
  Buffer.concat([Buffer.from([data.length >> 8, data.length & 255]), data]);

export function readFramed(bytes: Buffer, query: EncodedQuery): Part<Reply> | null {
  if (bytes.length < 2) return null;
  const length = 2 + bytes.readUInt16BE(0);
  if (bytes.length < length) return null;
  return { value: readWhole(bytes.subarray(2, length), query), length };
}

/** The reply that a whole body is. */
export function readWhole(bytes: Buffer, query: EncodedQuery): Reply {
  const reply = readReply(bytes, query);
  if (reply === null) throw new ProbeFailure('protocol', 'the answer is one to another question');
  return reply;
}
