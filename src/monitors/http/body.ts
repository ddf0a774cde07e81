import type { Transform } from 'node:stream';
import * as zlib from 'node:zlib';
import { ProbeFailure } from '../failure.ts';
import { decodeText } from './charset.ts';
import { headerValues, listItems } from './parser/headers.ts';
import type { HttpResponse } from './transport/exchange.ts';

export interface BodyText {
  text: string;
  isCut: boolean;
}

type ReadText = BodyText | { failure: ProbeFailure };

type Inflater = (zlib.Gunzip | zlib.BrotliDecompress) & Transform;

/** A body that was cut off at its limit is inflated as far as possible; any other must be complete. */
const { Z_SYNC_FLUSH, Z_FINISH, BROTLI_OPERATION_FLUSH, BROTLI_OPERATION_FINISH } = zlib.constants;
const lenient = (isCut: boolean) => ({ finishFlush: isCut ? Z_SYNC_FLUSH : Z_FINISH });
/** Available in newer versions of Node.js only. */
const { createZstdDecompress } = zlib as { createZstdDecompress?: (options: object) => Inflater };
const { ZSTD_e_flush, ZSTD_e_end } = zlib.constants as { ZSTD_e_flush?: number; ZSTD_e_end?: number };

const INFLATERS: Readonly<Record<string, (isCut: boolean, first: number) => Inflater>> = {
  gzip: (isCut) => zlib.createGunzip(lenient(isCut)),
  'x-gzip': (isCut) => zlib.createGunzip(lenient(isCut)),
  // Servers send deflate with or without the zlib header, whose low half byte is 8.
  deflate: (isCut, first) =>
    (first & 15) === 8 ? zlib.createInflate(lenient(isCut)) : zlib.createInflateRaw(lenient(isCut)),
  br: (isCut) => zlib.createBrotliDecompress({ finishFlush: isCut ? BROTLI_OPERATION_FLUSH : BROTLI_OPERATION_FINISH }),
  ...(createZstdDecompress
    ? {
        zstd: (isCut: boolean) => createZstdDecompress({ finishFlush: isCut ? ZSTD_e_flush : ZSTD_e_end }),
      }
    : {}),
};

const MAX_ENCODINGS = 3;
const EMPTY = Buffer.alloc(0);

/**
 * Returns the text of a body, inflated to at most `maxBytes`; the rest is cut off, so that a small body that inflates
 * to a large one costs no memory. Never rejects.
 */
export function readText(response: HttpResponse, maxBytes: number): ReadText | Promise<ReadText> {
  const encodings = encodingsOf(response);
  const [first = EMPTY] = response.body;
  const body = response.body.length > 1 ? Buffer.concat(response.body) : first;
  return encodings.length === 0
    ? textOf(response, body, response.isTruncated)
    : inflated(response, body, encodings, maxBytes);
}

/** Transfer codings other than chunked are decoded like content codings, and before them. */
function encodingsOf({ headers }: HttpResponse): readonly string[] {
  const codings = [...listItems(headers, 'content-encoding'), ...listItems(headers, 'transfer-encoding')];
  if (codings.length === 0) return codings;
  return codings.map((name) => name.toLowerCase()).filter((name) => name !== 'identity' && name !== 'chunked');
}

function textOf({ headers }: HttpResponse, body: Buffer, isCut: boolean): ReadText {
  return { text: decodeText(body, headerValues(headers, 'content-type').at(-1)), isCut };
}

async function inflated(
  response: HttpResponse,
  encoded: Buffer,
  encodings: readonly string[],
  maxBytes: number,
): Promise<ReadText> {
  if (encodings.length > MAX_ENCODINGS) return failed(`body is encoded ${encodings.length} times`);
  let body = encoded;
  let isCut = response.isTruncated;
  for (const encoding of [...encodings].reverse()) {
    const create = INFLATERS[encoding];
    if (!create) return failed(`content-encoding ${encoding} is not known`);
    if (body.length === 0) break;
    try {
      const inflated = await inflate(create(isCut, body[0] ?? 0), body, maxBytes);
      body = inflated.body;
      isCut ||= inflated.isCut;
    } catch {
      return failed(`body is no valid ${encoding}`);
    }
  }
  return textOf(response, body, isCut);
}

function inflate(inflater: Inflater, body: Buffer, maxBytes: number): Promise<{ body: Buffer; isCut: boolean }> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const finish = (isCut: boolean) => {
      inflater.destroy();
      resolve({ body: Buffer.concat(chunks).subarray(0, maxBytes), isCut });
    };
    inflater.on('error', reject);
    inflater.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > maxBytes) finish(true);
    });
    inflater.on('end', () => finish(false));
    inflater.end(body);
  });
}

function failed(message: string): { failure: ProbeFailure } {
  return { failure: new ProbeFailure('body', message) };
}
