import { ProbeFailure } from '../failure.ts';
import { ask, type Question } from '../http/ask.ts';
import { headerValues } from '../http/parser/headers.ts';
import type { HttpResponse } from '../http/transport/exchange.ts';
import type { ConnectionGate, NameResolver } from '../monitor.ts';
import type { Trial } from '../net/trial/trial.ts';

/** One unary call: a message, and one that comes back. */
export interface Call extends Pick<Question, 'tls' | 'ipVersion'> {
  /** With `https:` for TLS. */
  address: string;
  headers: readonly string[];
  message: Buffer;
}

export interface CallOptions {
  trial: Trial;
  context: { names: NameResolver; gate: ConnectionGate };
  slotTag: string | undefined;
}

/** Codes of gRPC, by their numbers. */
const CODES = [
  ...['OK', 'CANCELLED', 'UNKNOWN', 'INVALID_ARGUMENT', 'DEADLINE_EXCEEDED', 'NOT_FOUND', 'ALREADY_EXISTS'],
  ...['PERMISSION_DENIED', 'RESOURCE_EXHAUSTED', 'FAILED_PRECONDITION', 'ABORTED', 'OUT_OF_RANGE', 'UNIMPLEMENTED'],
  ...['INTERNAL', 'UNAVAILABLE', 'DATA_LOSS', 'UNAUTHENTICATED'],
];

/** A message has a byte before it that says whether it is compressed, and four of its length. */
const HEAD_BYTES = 5;
const MAX_BYTES = 65_536;

/**
 * Returns the message that a call returns. It is made by HTTP/2 on a connection of our own, because the gRPC library
 * resolves names and connects by itself, past the gate, and has no limit of what a server may send beside messages. Throws a
 * ProbeFailure, also for a code other than OK, which is the status then.
 */
export async function call(
  { address, headers, message, tls, ipVersion }: Call,
  { trial, context, slotTag }: CallOptions,
): Promise<Buffer> {
  const response = await ask(
    {
      url: new URL(address),
      method: 'POST',
      body: framed(message),
      version: '2',
      isKnown: true,
      maxBytes: MAX_BYTES,
      ...{ slotTag, tls, ipVersion },
      headers: (leftMs) => [
        ...headers,
        ...['content-type', 'application/grpc', 'te', 'trailers', 'grpc-timeout', `${leftMs}m`],
      ],
    },
    trial,
    context,
  );
  if (response.isTruncated) throw new ProbeFailure('too_large', `an answer of more than ${MAX_BYTES} bytes`);
  demandOk(response, trial);
  return readMessage(response);
}

function framed(message: Buffer): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** Throws a ProbeFailure for an answer that is none of gRPC, or tells of a failure. */
function demandOk({ status, headers, trailers }: HttpResponse, trial: Trial): void {
  // A server that fails at once sends its code with the headers.
  const [code] = [...headerValues(trailers, 'grpc-status'), ...headerValues(headers, 'grpc-status')];
  const [type = 'none'] = headerValues(headers, 'content-type');
  if (code === undefined && status !== 200) {
    trial.isAnswered = true;
    trial.status = String(status);
    throw new ProbeFailure('status', `the answer is HTTP status ${status}, and none of gRPC`);
  }
  if (!/^application\/grpc\b/i.test(type)) {
    throw new ProbeFailure('protocol', `the answer is none of gRPC, its content type is ${type}`);
  }
  if (code === undefined) throw new ProbeFailure('protocol', 'the answer ends without a code of gRPC (grpc-status)');
  if (!/^\d{1,9}$/.test(code)) throw new ProbeFailure('protocol', `the code of the answer is ${JSON.stringify(code)}`);
  trial.isAnswered = true;
  if (Number(code) === 0) return;
  trial.status = CODES[Number(code)] ?? `CODE_${code}`;
  const [text = ''] = [...headerValues(trailers, 'grpc-message'), ...headerValues(headers, 'grpc-message')];
  throw new ProbeFailure('status', `the answer is ${trial.status}${text === '' ? '' : `: ${decoded(text)}`}`);
}

/** Characters other than printable ASCII are percent-encoded. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // Not valid percent-encoding: taken literally.
  }
}

function readMessage({ body }: HttpResponse): Buffer {
  const bytes = Buffer.concat(body);
  const fault = (text: string) => new ProbeFailure('protocol', `the message of the answer ${text}`);
  if (bytes.length < HEAD_BYTES) throw fault('is missing');
  if (bytes[0] !== 0) throw fault('is compressed, which was not offered');
  if (bytes.readUInt32BE(1) !== bytes.length - HEAD_BYTES) throw fault('is not as long as it says');
  return bytes.subarray(HEAD_BYTES);
}
