import * as zlib from 'node:zlib';
import { VedetteError } from '../../errors.ts';
import type { ProducerOptions } from '../driver.ts';
import { lz4 } from '../kafka/lz4.ts';
import type { KafkaCompression } from '../kafka/options.ts';
import type { UnpackMemory } from '../unpack-memory.ts';
import type { KafkaJs } from './client.ts';
import { unpackLz4 } from './lz4-frames.ts';

/** kafkajs knows gzip; lz4 comes from an optional package, zstd from Node 22.15 on. */
export function registerCodecs({ CompressionCodecs, CompressionTypes }: KafkaJs): void {
  const frames = lz4();
  CompressionCodecs[CompressionTypes.LZ4] = () => {
    if (!frames) throw new Error('The topic holds lz4 records: the package lz4-napi is needed to read them');
    return {
      compress: async ({ buffer }: { buffer: Buffer }) => frames.compressFrameSync(buffer),
      // Not on other threads: their freed memory stays with them, 200 MB at full speed.
      decompress: async (buffer: Buffer) => frames.decompressFrameSync(buffer),
    };
  };
  const zstd = zstdOfNode();
  CompressionCodecs[CompressionTypes.ZSTD] = () => {
    if (!zstd) throw new Error('The topic holds zstd records: this needs Node 22.15 or the rdkafka driver');
    return {
      compress: async ({ buffer }: { buffer: Buffer }) => zstd.zstdCompressSync(buffer),
      decompress: async (buffer: Buffer) => zstd.zstdDecompressSync(buffer),
    };
  };
}

/** Unpacks what was packed in the way that the attributes of a batch name by this number, perhaps into `memory`. */
export function decompress(codec: number, bytes: Buffer, memory: UnpackMemory): Buffer {
  const zstd = zstdOfNode();
  switch (codec) {
    case 0:
      return bytes;
    case 1:
      return zlib.gunzipSync(bytes);
    case 3:
      return unpackLz4(bytes, memory);
    case 4:
      if (!zstd) throw new Error('The topic holds zstd records: this needs Node 22.15 or the rdkafka driver');
      return zstd.zstdDecompressSync(bytes);
    default:
      throw new Error('The topic holds snappy records: this needs the rdkafka driver');
  }
}

/** kafkajs's number of the compression to write with. Throws VED_DRIVER_UNAVAILABLE for one that cannot be had here. */
export function compressionType(
  { CompressionTypes }: KafkaJs,
  wanted: KafkaCompression,
  readers?: ProducerOptions['readers'],
): number {
  switch (wanted) {
    case 'auto':
      if (readers === 'any') return CompressionTypes.GZIP;
      return lz4() ? CompressionTypes.LZ4 : CompressionTypes.None;
    case 'lz4':
      if (!lz4()) throw unavailable('lz4', 'the package lz4-napi is not installed or not made for this platform');
      return CompressionTypes.LZ4;
    case 'zstd':
      if (!zstdOfNode())
        throw unavailable('zstd', 'the kafkajs driver has it from Node 22.15 on, the rdkafka driver always');
      return CompressionTypes.ZSTD;
    case 'gzip':
      return CompressionTypes.GZIP;
    default:
      return CompressionTypes.None;
  }
}

interface Zstd {
  zstdCompressSync(buffer: Buffer): Buffer;
  zstdDecompressSync(buffer: Buffer): Buffer;
}

function zstdOfNode(): Zstd | null {
  const candidate = zlib as unknown as Partial<Zstd>;
  return candidate.zstdCompressSync && candidate.zstdDecompressSync ? (candidate as Zstd) : null;
}

function unavailable(compression: string, why: string): VedetteError {
  return new VedetteError('VED_DRIVER_UNAVAILABLE', `kafka.compression is ${compression}, but ${why}`);
}
