import { createRequire } from 'node:module';
import type { KafkaMessage } from 'kafkajs';
import type { PackedRecords } from '../partition-book.ts';
import type { Broker, Decoder } from './cluster.ts';
import { type AbortedTransaction, batchesOf, leaveOutAborted } from './record-batch.ts';
import { toRecord } from './records.ts';

const require = createRequire(import.meta.url);
const FETCH = 1;
/** From here on a response names aborted transactions, and later ones more fields. */
const ABORTED_FROM = 4;
const LOG_START_FROM = 5;
const SESSION_FROM = 7;
const CLIENT_THROTTLE_FROM = 8;
const REPLICA_FROM = 11;

/** What kafkajs takes for a message. Those with `isControlRecord` are not delivered. */
export interface PackedMessage extends PackedRecords {
  offset: string;
  isControlRecord: boolean;
}

interface FetchProtocol {
  request: { apiVersion: number };
  response: { decode(bytes: Buffer): Promise<unknown> };
}

type Lookup = (apiKey: number, definition: unknown) => (request: object) => FetchProtocol;

/**
 * Lets the fetches of this broker return batches that are still packed. kafkajs would unpack all that was fetched at once,
 * which is many times its size, long before its turn has come.
 */
export function withPackedFetch(broker: Broker): Broker {
  if (packed.has(broker)) return broker;
  packed.add(broker);
  const fetch = broker.fetch;
  const withDecoder = Object.create(broker, {
    lookupRequest: {
      value: (apiKey: number, definition: unknown) => {
        const create = (broker as unknown as { lookupRequest: Lookup }).lookupRequest(apiKey, definition);
        return apiKey === FETCH ? (request: object) => unpackingLater(create(request)) : create;
      },
    },
  }) as Broker;
  broker.fetch = (request) => fetch.call(withDecoder, request);
  return broker;
}

const packed = new WeakSet<Broker>();

function unpackingLater(protocol: FetchProtocol): FetchProtocol {
  const { apiVersion } = protocol.request;
  if (apiVersion < ABORTED_FROM) throw new Error('The broker is too old: it needs Kafka 0.11 or newer');
  return { ...protocol, response: { ...protocol.response, decode: (bytes) => decodeResponse(bytes, apiVersion) } };
}

async function decodeResponse(bytes: Buffer, version: number): Promise<object> {
  const DecoderClass = require('kafkajs/src/protocol/decoder') as new (bytes: Buffer) => Decoder;
  const decoder = new DecoderClass(bytes);
  const throttleMs = decoder.readInt32();
  if (version >= SESSION_FROM) {
    decoder.readInt16();
    decoder.readInt32();
  }
  const responses = await decoder.readArrayAsync(async () => ({
    topicName: decoder.readString(),
    partitions: await decoder.readArrayAsync(() => decodePartition(decoder, version)),
  }));
  // Newer brokers leave it to the client to wait.
  return version < CLIENT_THROTTLE_FROM
    ? { throttleTime: throttleMs, responses }
    : { throttleTime: 0, clientSideThrottleTime: throttleMs, responses };
}

async function decodePartition(decoder: Decoder, version: number): Promise<object> {
  const partition = decoder.readInt32();
  const errorCode = decoder.readInt16();
  const highWatermark = decoder.readInt64().toString();
  decoder.readInt64();
  if (version >= LOG_START_FROM) decoder.readInt64();
  const aborted: AbortedTransaction[] = decoder.readArray(() => ({
    producerId: Number(decoder.readInt64()),
    firstOffset: Number(decoder.readInt64()),
  }));
  const preferredReadReplica = version >= REPLICA_FROM ? decoder.readInt32() : -1;
  const messages = await decodeMessages(decoder.readBytes() ?? Buffer.alloc(0), aborted);
  return { partition, errorCode, highWatermark, preferredReadReplica, abortedTransactions: [], messages };
}

async function decodeMessages(bytes: Buffer, aborted: readonly AbortedTransaction[]): Promise<PackedMessage[]> {
  const batches = batchesOf(bytes);
  if (batches) {
    leaveOutAborted(batches, aborted);
    return batches;
  }
  const DecoderClass = require('kafkajs/src/protocol/decoder') as new (bytes: Buffer) => Decoder;
  const decodeSet = require('kafkajs/src/protocol/messageSet/decoder') as (
    decoder: Decoder,
    size: number,
  ) => Promise<KafkaMessage[]>;
  const messages = await decodeSet(new DecoderClass(bytes), bytes.length);
  return messages.map((message) => {
    const record = toRecord(message);
    const { offset } = message;
    const size = record.value.length;
    return { offset, lastOffset: record.offset, isControlRecord: false, bytes: size, unpack: () => [record] };
  });
}
