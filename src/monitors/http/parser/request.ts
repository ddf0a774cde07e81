import { TOKEN } from './lines.ts';

export interface RequestParts {
  method: string;
  /** With the query. */
  path: string;
  /** Host, and the port unless it is the default of the scheme. */
  authority: string;
  /** Name, value, name, value, ...; a `host` among them overrides the authority. */
  headers: readonly string[];
  body: string | null;
  keepAlive: boolean;
}

const TARGET = /^\/[\x21-\x7e]*$/;
const AUTHORITY = /^[\x21-\x7e]+$/;
/** One line of bytes without control characters except the tab. */
export const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
/** Methods that send content-length: 0 with an empty body (RFC 9110 8.6). */
const EXPECTS_BODY = new Set(['POST', 'PUT', 'PATCH']);

/**
 * Returns the bytes of a request. Throws for parts that would not form one request: they have been validated, so that
 * would be a defect.
 */
export function serializeRequest({ method, path, authority, headers, body, keepAlive }: RequestParts): Buffer {
  demand(TOKEN.test(method), 'method');
  demand(TARGET.test(path), 'path');
  let fields = '';
  let hasHost = false;
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] ?? '';
    const value = headers[i + 1] ?? '';
    demand(TOKEN.test(name), 'header name');
    demand(FIELD_VALUE.test(value), `value of header ${name}`);
    if (name.length === 4 && name.toLowerCase() === 'host') hasHost = true;
    fields += `${name}: ${value}\r\n`;
  }
  let head = `${method} ${path} HTTP/1.1\r\n`;
  if (!hasHost) {
    demand(AUTHORITY.test(authority), 'host');
    head += `host: ${authority}\r\n`;
  }
  head += `connection: ${keepAlive ? 'keep-alive' : 'close'}\r\n${fields}`;
  if (body === null) return Buffer.from(`${head}${EXPECTS_BODY.has(method) ? NO_BODY : ''}\r\n`, 'latin1');
  const bytes = Buffer.from(body);
  return Buffer.concat([Buffer.from(`${head}content-length: ${bytes.length}\r\n\r\n`, 'latin1'), bytes]);
}

const NO_BODY = 'content-length: 0\r\n';

function demand(isMet: boolean, part: string): void {
  if (!isMet) throw new Error(`The ${part} of a request is malformed`);
}
