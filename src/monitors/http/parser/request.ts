import { TOKEN } from './lines.ts';

export interface RequestParts {
  method: string;
  /** With the query; a whole address for a proxy. */
  path: string;
  /** Host, and the port unless it is the default of the scheme. */
  authority: string;
  /** Name, value, name, value, ...; a `host` among them overrides the authority. */
  headers: readonly string[];
}

/** A path, or for a proxy a whole address. */
const TARGET = /^(?:http:\/\/[\x21-\x2e\x30-\x7e]+)?\/[\x21-\x7e]*$/;
const AUTHORITY = /^[\x21-\x7e]+$/;
/** One line of bytes without control characters except the tab. */
export const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
/** Methods that send content-length: 0 with an empty body (RFC 9110 8.6). */
export const EXPECTS_BODY = new Set(['POST', 'PUT', 'PATCH']);

export interface RequestRest {
  method: string;
  keepAlive: boolean;
  /** Value of the header `vedette-slot`; null: none. */
  slotTag: string | null;
  body: string | Buffer | null;
}

/**
 * Returns the request line and headers that are the same for all checks of a job; each character is a byte. Throws for parts
 * that would not form one request: they have been validated, so that would be a defect.
 */
export function serializeHead({ method, path, authority, headers }: RequestParts): string {
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
  return head + fields;
}

/** Returns a whole request; each character of a text is a byte. `head` is that of serializeHead. */
export function serializeRequest(head: string, { method, keepAlive, slotTag, body }: RequestRest): string | Buffer {
  let text = `${head}connection: ${keepAlive ? 'keep-alive' : 'close'}\r\n`;
  if (slotTag !== null) text += `vedette-slot: ${slotTag}\r\n`;
  if (body === null) return `${text}${EXPECTS_BODY.has(method) ? NO_BODY : ''}\r\n`;
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  return Buffer.concat([Buffer.from(`${text}content-length: ${bytes.length}\r\n\r\n`, 'latin1'), bytes]);
}

const NO_BODY = 'content-length: 0\r\n';

/** The host of an address: a name, or an address without brackets. */
export function hostOf({ hostname }: URL): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
}

/** Credentials as a header has them (RFC 7617). */
export function basicCredentials(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

/** The host of an origin, with the port unless it is the default of the scheme. */
export function authorityOf(origin: string): string {
  return origin.slice(origin.indexOf('//') + 2);
}

function demand(isMet: boolean, part: string): void {
  if (!isMet) throw new Error(`The ${part} of a request is malformed`);
}
