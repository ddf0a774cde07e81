import { isAscii } from 'node:buffer';

/** The number of bytes that browsers examine. */
const PRESCAN_BYTES = 1_024;
const UTF8 = new TextDecoder();
/** In ISO-2022-JP bytes after it stand for other characters; a document can declare no other charset that reads ASCII otherwise. */
const ESCAPE = 0x1b;

/**
 * Returns the text of a body. A byte order mark takes precedence over the header Content-Type, and that over the
 * document's own declaration (WHATWG Encoding 6, HTML 13.2.3); the default, also for unknown charsets, is UTF-8.
 */
export function decodeText(body: Buffer, contentType: string | undefined): string {
  if (isAscii(body) && !body.includes(ESCAPE) && !/charset/i.test(contentType ?? '')) return body.toString('latin1');
  const charset = markedCharset(body) ?? headerCharset(contentType) ?? documentCharset(body, contentType);
  return (charset === null ? UTF8 : (decoderOf(charset) ?? UTF8)).decode(body);
}

function markedCharset(body: Buffer): string | null {
  if (body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf) return 'utf-8';
  if (body[0] === 0xfe && body[1] === 0xff) return 'utf-16be';
  if (body[0] === 0xff && body[1] === 0xfe) return 'utf-16le';
  return null;
}

function headerCharset(contentType: string | undefined): string | null {
  return known(/;\s*charset\s*=\s*"?([^\s";,]+)/i.exec(contentType ?? '')?.[1]);
}

/** Returns the charset that HTML or XML declares in its first bytes; null for other types. */
function documentCharset(body: Buffer, contentType: string | undefined): string | null {
  if (contentType !== undefined && !/html|xml/i.test(contentType)) return null;
  const start = body.subarray(0, PRESCAN_BYTES).toString('latin1');
  const declared = known(/^\s*<\?xml\s[^>]*?\bencoding\s*=\s*["']([^"'>]+)["']/i.exec(start)?.[1]);
  const charset = declared ?? (/xml/i.test(contentType ?? '') && !/html/i.test(contentType ?? '') ? null : meta(start));
  // The declaration was readable as ASCII, so the document is not UTF-16.
  return charset?.startsWith('utf-16') ? 'utf-8' : charset;
}

function meta(start: string): string | null {
  for (const [tag] of start.replace(/<!--[\s\S]*?(?:-->|$)/g, '').matchAll(/<meta[\s/][^>]*>/gi)) {
    const direct = /[\s/"']charset\s*=\s*["']?\s*([^\s"'/>;]+)/i.exec(tag)?.[1];
    const isTyped = /http-equiv\s*=\s*["']?\s*content-type/i.test(tag);
    const typed = isTyped ? /content\s*=[^>]*?charset\s*=\s*["']?\s*([^\s"'/>;]+)/i.exec(tag)?.[1] : undefined;
    const charset = known(typed ?? direct);
    if (charset !== null) return charset;
  }
  return null;
}

function known(label: string | undefined): string | null {
  return label === undefined ? null : (decoderOf(label)?.encoding ?? null);
}

function decoderOf(label: string): typeof UTF8 | null {
  try {
    return new TextDecoder(label);
  } catch {
    // Not the label of an encoding.
    return null;
  }
}
