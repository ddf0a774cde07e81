import { promisify } from 'node:util';
import { deflateRaw, deflateRawSync, inflateRaw, inflateRawSync } from 'node:zlib';

/** How a value is stored: `stream_records.codec`. */
export const PLAIN = 0;
export const DEFLATED = 1;

export interface StoredValue {
  codec: number;
  bytes: Buffer;
  /** Bytes of the value itself. */
  size: number;
}

/** Smaller values gain nothing. */
const MIN_SIZE = 512;
/** Larger values are worth the way to another thread. */
const THREAD_SIZE = 32 * 1024;
/** Lines of results shrink to an eighth at this level, at more than 100 MB/s. */
const LEVEL = 1;

const deflateInThread = promisify(deflateRaw);
const inflateInThread = promisify(inflateRaw);

export async function encodeValue(value: Buffer): Promise<StoredValue> {
  const size = value.length;
  if (size < MIN_SIZE) return { codec: PLAIN, bytes: value, size };
  const options = { level: LEVEL };
  const deflated = size < THREAD_SIZE ? deflateRawSync(value, options) : await deflateInThread(value, options);
  return deflated.length < size * 0.9
    ? { codec: DEFLATED, bytes: deflated, size }
    : { codec: PLAIN, bytes: value, size };
}

export async function decodeValue({ codec, bytes, size }: StoredValue): Promise<Buffer> {
  if (codec === PLAIN) return bytes;
  if (codec !== DEFLATED) throw new Error(`A record is stored with codec ${codec}, which this version does not know`);
  const options = { maxOutputLength: Math.max(1, size) };
  return size < THREAD_SIZE ? inflateRawSync(bytes, options) : inflateInThread(bytes, options);
}
