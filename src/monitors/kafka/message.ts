import { isUtf8 } from 'node:buffer';
import { ProbeFailure } from '../failure.ts';
import type { Part } from '../net/trial/conversation.ts';

/** Limit of one answer, in bytes: some 20,000 partitions. */
export const MAX_BYTES = 1_048_576;

/** Requests and the versions in which they are sent: those that every Kafka from 1.0 to 4 takes, and others that speak it. */
export const REQUESTS = {
  ApiVersions: { key: 18, version: 0 },
  SaslHandshake: { key: 17, version: 1 },
  SaslAuthenticate: { key: 36, version: 0 },
  Metadata: { key: 3, version: 5 },
  FindCoordinator: { key: 10, version: 1 },
  OffsetFetch: { key: 9, version: 2 },
  ListOffsets: { key: 2, version: 1 },
} as const;

export type RequestName = keyof typeof REQUESTS;

/** Texts and bytes have their length before them, as arrays have their number of elements. */
export const int8 = (value: number): Buffer => Buffer.from([value]);
export const int16 = (value: number): Buffer => sized(2, value);
export const int32 = (value: number): Buffer => sized(4, value);
export const int64 = (value: bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(value);
  return bytes;
};
export const text = (value: string): Buffer => {
  const bytes = Buffer.from(value);
  return Buffer.concat([int16(bytes.length), bytes]);
};
export const bytes = (value: Buffer): Buffer => Buffer.concat([int32(value.length), value]);
export const array = (elements: readonly Buffer[]): Buffer => Buffer.concat([int32(elements.length), ...elements]);
/** No array, which is another thing than an empty one. */
export const NO_ARRAY = int32(-1);

function sized(size: number, value: number): Buffer {
  const bytes = Buffer.alloc(size);
  bytes.writeIntBE(value, 0, size);
  return bytes;
}

const CLIENT = text('vedette');

/** `id` comes back with the answer. */
export function toRequest(name: RequestName, id: number, body: readonly Buffer[]): Buffer {
  const { key, version } = REQUESTS[name];
  return bytes(Buffer.concat([int16(key), int16(version), int32(id), CLIENT, ...body]));
}

/** Reads the answer to request `id`. */
export function readAnswer(received: Buffer, id: number): Part<Fields> | null {
  if (received.length < 4) return null;
  const length = received.readInt32BE(0);
  // Four letters in place of a length are a larger number; alerts of TLS begin with 21.
  if (length < 4 || length > 0x10_00_00_00) throw malformed(received);
  if (length > MAX_BYTES) {
    throw new ProbeFailure('too_large', `an answer of ${length} bytes, accepted: up to ${MAX_BYTES}`);
  }
  const end = 4 + length;
  if (received.length < end) return null;
  const given = received.readInt32BE(4);
  if (given !== id) throw new ProbeFailure('protocol', `the answer is one to request ${given}, not to ${id}`);
  // Copied, because what was received moves.
  return { value: new Fields(Buffer.from(received.subarray(8, end))), length: end };
}

const SHOWN_BYTES = 60;

const malformed = (received: Buffer) =>
  new ProbeFailure('protocol', `no message of Kafka: ${JSON.stringify(received.toString('utf8', 0, SHOWN_BYTES))}`);

/** The fields of an answer, one after the other. Each throws a ProbeFailure where the answer ends before it does. */
export class Fields {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  int8(): number {
    return this.#take(1).readInt8(0);
  }

  int16(): number {
    return this.#take(2).readInt16BE(0);
  }

  int32(): number {
    return this.#take(4).readInt32BE(0);
  }

  int64(): bigint {
    return this.#take(8).readBigInt64BE(0);
  }

  /** null: none. One that is not valid would be longer than its length when it is sent back. */
  text(): string | null {
    const length = this.int16();
    if (length < 0) return null;
    const taken = this.#take(length);
    if (!isUtf8(taken)) throw new ProbeFailure('protocol', 'a text in an answer of Kafka is not in UTF-8');
    return taken.toString('utf8');
  }

  bytes(): Buffer {
    return this.#take(Math.max(0, this.int32()));
  }

  /** Every element takes bytes, so that it ends where they do, whatever number is promised. */
  array<T>(element: () => T): T[] {
    const count = this.int32();
    const elements: T[] = [];
    for (let index = 0; index < count; index++) elements.push(element());
    return elements;
  }

  #take(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw cutOff();
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}

const cutOff = () => new ProbeFailure('protocol', 'an answer of Kafka is cut off');
