import type { UnpackMemory } from '../unpack-memory.ts';

/**
 * Unpacks the LZ4 frames in `source`. In JavaScript, because the result must lie in memory that is used again: a native
 * codec makes new memory each time, which costs three times the time of this and lies about until the next collection.
 * Checksums are not looked at. Throws for anything that is not LZ4.
 */
export function unpackLz4(source: Buffer, memory: UnpackMemory): Buffer {
  const input = new DataView(source.buffer, source.byteOffset, source.length);
  let to = memory.taken;
  try {
    for (let at = 0; at < source.length; ) {
      if (input.getUint32(at, true) !== MAGIC) break;
      const flags = input.getUint8(at + 4);
      if (flags >> 6 !== VERSION) break;
      at += HEADER_BYTES + (flags & HAS_SIZE ? 8 : 0) + (flags & HAS_DICTIONARY ? 4 : 0);
      for (let word = input.getInt32(at, true); word !== 0; word = input.getInt32(at, true)) {
        const end = at + 4 + (word & MAX_BLOCK);
        to =
          word < 0 ? copyBlock(source, at + 4, end, memory, to) : unpackBlock(source, input, at + 4, end, memory, to);
        at = end + (flags & HAS_BLOCK_CHECKSUM ? 4 : 0);
      }
      at += 4 + (flags & HAS_CHECKSUM ? 4 : 0);
      if (at === source.length) return memory.take(to);
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new Error('Records that should be LZ4 cannot be unpacked', { cause: error });
  }
  if (source.length === 0) return memory.take(to);
  throw new Error('Records that should be LZ4 are not');
}

function copyBlock(source: Buffer, from: number, end: number, memory: UnpackMemory, to: number): number {
  if (end > source.length) throw new RangeError('A block is cut off');
  if (to + end - from > memory.bytes.length) memory.grow(to, to + end - from);
  source.copy(memory.bytes, to, from, end);
  return to + end - from;
}

/** Returns where what it has unpacked ends. Copies in steps of four bytes, of which the last may go too far. */
function unpackBlock(
  source: Buffer,
  input: DataView,
  from: number,
  end: number,
  memory: UnpackMemory,
  start: number,
): number {
  if (end > source.length) throw new RangeError('A block is cut off');
  const { taken } = memory;
  const lastStep = source.length - 4;
  let { bytes, view } = memory;
  let most = bytes.length - STEP_ROOM;
  let at = from;
  let to = start;
  while (at < end) {
    const token = source[at++] as number;
    let length = token >> 4;
    if (length === 15) {
      let more = 255;
      while (more === 255) length += more = source[at++] as number;
    }
    const rest = at + length;
    if (!(rest <= end)) throw new RangeError('Bytes are missing');
    if (to + length > most) {
      memory.grow(to, to + length + STEP_ROOM);
      ({ bytes, view } = memory);
      most = bytes.length - STEP_ROOM;
    }
    if (length > LONG || rest > lastStep) source.copy(bytes, to, at, rest);
    else for (let out = to; at < rest; at += 4, out += 4) view.setInt32(out, input.getInt32(at, true), true);
    at = rest;
    to += length;
    if (at === end) break;

    const distance = input.getUint16(at, true);
    at += 2;
    length = (token & 15) + 4;
    if (length === 19) {
      let more = 255;
      while (more === 255) length += more = source[at++] as number;
    }
    if (at > end) throw new RangeError('Bytes are missing');
    if (to + length > most) {
      memory.grow(to, to + length + STEP_ROOM);
      ({ bytes, view } = memory);
      most = bytes.length - STEP_ROOM;
    }
    let match = to - distance;
    if (distance === 0 || match < taken) throw new RangeError('A copy begins before the first byte');
    const stop = to + length;
    if (length > LONG && distance >= length) bytes.copyWithin(to, match, match + length);
    else if (distance >= 4)
      for (let out = to; out < stop; out += 4, match += 4) view.setInt32(out, view.getInt32(match, true), true);
    else for (let out = to; out < stop; ) bytes[out++] = bytes[match++] as number;
    to = stop;
  }
  return to;
}

const MAGIC = 0x184d2204;
const VERSION = 1;
/** Magic number, flags, largest block, checksum of these. */
const HEADER_BYTES = 7;
const HAS_DICTIONARY = 0x01;
const HAS_CHECKSUM = 0x04;
const HAS_SIZE = 0x08;
const HAS_BLOCK_CHECKSUM = 0x10;
const MAX_BLOCK = 0x7fffffff;
const STEP_ROOM = 4;
/** Beyond this length a call costs less than the steps. */
const LONG = 64;
