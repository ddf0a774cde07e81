import { createRequire } from 'node:module';

export interface Lz4 {
  compressFrameSync(data: Buffer): Buffer;
  decompressFrameSync(data: Buffer): Buffer;
}

let loaded: Lz4 | null | undefined;

/** The LZ4 codec (prebuilt for all common platforms), or null where there is none. */
export function lz4(): Lz4 | null {
  if (loaded !== undefined) return loaded;
  try {
    loaded = createRequire(import.meta.url)('lz4-napi') as Lz4;
  } catch {
    // An optional package: callers that need it report that it is missing.
    loaded = null;
  }
  return loaded;
}
