import { ProbeFailure } from '../failure.ts';
import type { Trial } from '../net/trial/trial.ts';

// The messages of grpc.health.v1: a request has the name of a service (1), a response its status (1).

/** Path of the call. */
export const HEALTH_CHECK = '/grpc.health.v1.Health/Check';

/** By their numbers. */
export const SERVING_STATUSES = ['UNKNOWN', 'SERVING', 'NOT_SERVING'] as const;
export type ServingStatus = (typeof SERVING_STATUSES)[number];

/** Wire types of protocol buffers. */
const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;
const STATUS_TAG = (1 << 3) | VARINT;
const SERVICE_TAG = (1 << 3) | LENGTH;

export function healthRequest(service: string): Buffer {
  const name = Buffer.from(service);
  if (name.length === 0) return name;
  const { length } = name;
  const size = length < 128 ? [length] : [(length & 127) | 128, length >> 7];
  return Buffer.concat([Buffer.from([SERVICE_TAG, ...size]), name]);
}

/** Records the status in a response. Throws a ProbeFailure if it is not the expected one. */
export function judgeHealth(message: Buffer, expected: ServingStatus, trial: Trial): void {
  const number = readStatus(message);
  const status = SERVING_STATUSES[number] ?? `STATUS_${number}`;
  trial.status = status;
  if (status !== expected) throw new ProbeFailure('status', `the service is ${status}, accepted: ${expected}`);
}

/** Fields that are not known are passed over. */
function readStatus(message: Buffer): number {
  let status = 0;
  for (let at = 0; at < message.length; ) {
    const tag = readVarint(message, at);
    at = tag.end;
    const type = tag.value % 8;
    if (type === VARINT || type === LENGTH) {
      const { value, end } = readVarint(message, at);
      if (tag.value === STATUS_TAG) status = value;
      at = type === LENGTH ? end + value : end;
    } else if (type === FIXED64 || type === FIXED32) at += type === FIXED64 ? 8 : 4;
    else throw malformed();
    if (at > message.length) throw malformed();
  }
  return status;
}

/** Seven bits a byte, the lowest first. */
function readVarint(bytes: Buffer, from: number): { value: number; end: number } {
  let value = 0;
  for (let at = from; at < Math.min(from + MAX_VARINT_BYTES, bytes.length); at++) {
    const byte = bytes.readUInt8(at);
    value += (byte & 127) * 128 ** (at - from);
    if (byte < 128) return { value, end: at + 1 };
  }
  throw malformed();
}

const MAX_VARINT_BYTES = 10;

const malformed = () => new ProbeFailure('protocol', 'the message of the answer is no HealthCheckResponse');
