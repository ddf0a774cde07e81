import { promisify } from 'node:util';
import { brotliDecompress, constants, gunzip, inflate } from 'node:zlib';
import { ProbeFailure } from './failure.ts';
import type { HttpResponse } from './http-request.ts';

type Inflate = (body: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>;

// A body that was cut off at its limit is inflated as far as it goes.
const { Z_SYNC_FLUSH, BROTLI_OPERATION_FLUSH } = constants;
const gunzipped = promisify(gunzip);
const inflated = promisify(inflate);
const unbrotlied = promisify(brotliDecompress);

const INFLATE: Readonly<Record<string, Inflate>> = {
  gzip: (body, options) => gunzipped(body, { ...options, finishFlush: Z_SYNC_FLUSH }),
  'x-gzip': (body, options) => gunzipped(body, { ...options, finishFlush: Z_SYNC_FLUSH }),
  deflate: (body, options) => inflated(body, { ...options, finishFlush: Z_SYNC_FLUSH }),
  br: (body, options) => unbrotlied(body, { ...options, finishFlush: BROTLI_OPERATION_FLUSH }),
};

/** The text of a response, inflated to at most `maxBytes`. Throws ProbeFailure for what cannot or may not be inflated. */
export async function readText(response: HttpResponse, maxBytes: number): Promise<string> {
  const encodings = String(response.headers['content-encoding'] ?? '')
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '' && name !== 'identity');
  let { body } = response;
  if (encodings.length > 1) throw new ProbeFailure('body', `body is encoded ${encodings.length} times`);
  for (const encoding of encodings) {
    const decode = INFLATE[encoding];
    if (!decode) throw new ProbeFailure('body', `content-encoding ${encoding} is not known`);
    body = await decode(body, { maxOutputLength: maxBytes }).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ERR_BUFFER_TOO_LARGE') {
        throw new ProbeFailure('too_large', `body inflates to more than ${maxBytes} bytes`, { cause: error });
      }
      throw new ProbeFailure('body', `body is no valid ${encoding}`, { cause: error });
    });
  }
  return body.toString(isLatin1(response.headers['content-type']) ? 'latin1' : 'utf8');
}

function isLatin1(contentType: string | string[] | undefined): boolean {
  return /charset="?(iso-8859-1|latin1|windows-1252)/i.test(String(contentType ?? ''));
}
