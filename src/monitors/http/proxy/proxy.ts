import type { ConnectTarget, TlsChoice } from '../../net/dial.ts';
import { basicCredentials, hostOf } from '../parser/request.ts';

/** A proxy through which all connections of a job are made. */
export interface JobProxy {
  kind: 'http' | 'socks5';
  /** The proxy itself. */
  target: ConnectTarget;
  /** Host and port, for people. */
  name: string;
  credentials: { username: string; password: string } | null;
}

/** http, https or socks5, perhaps with credentials, and with a port. */
export const PROXY =
  '^([hH][tT][tT][pP][sS]?|[sS][oO][cC][kK][sS]5)://([^/?#\\\\\\s@]*@)?[^/?#\\\\\\s@]+:[0-9]{1,5}/?$';

/** Returns the parts of the address; null if it cannot be read. The port 0 means that there is no such port. */
export function readProxy(address: string): { scheme: string; url: URL; host: string; port: number } | null {
  const [, scheme = '', rest = ''] = /^([a-z0-9]+)(:.*)$/is.exec(address) ?? [];
  // Only addresses of the web are normalized: names in lower case and in ASCII, 127.1 as 127.0.0.1.
  const text = `http${rest}`;
  if (scheme === '' || !URL.canParse(text)) return null;
  const url = new URL(text);
  return { scheme: scheme.toLowerCase(), url, host: hostOf(url), port: url.port === '' ? 80 : Number(url.port) };
}

/** The address must be valid. `tls` is that of the site, of which an https proxy has what any origin has. */
export function createProxy(address: string, { verify, ca }: TlsChoice): JobProxy {
  const read = readProxy(address);
  if (read === null) throw new Error('The address of a proxy cannot be read');
  const { scheme, url, host, port } = read;
  const tls = scheme === 'https' ? { verify, ...(ca === undefined ? {} : { ca }), alpn: ['http/1.1'] } : null;
  const hasCredentials = url.username !== '' || url.password !== '';
  return {
    kind: scheme === 'socks5' ? 'socks5' : 'http',
    target: { host, port, tls },
    name: `${url.hostname}:${port}`,
    credentials: hasCredentials
      ? { username: decodeURIComponent(url.username), password: decodeURIComponent(url.password) }
      : null,
  };
}

/** Returns the header that an HTTP proxy reads, as name and value; nothing without credentials. */
export function proxyAuthorization({ credentials }: JobProxy): string[] {
  if (credentials === null) return [];
  const { username, password } = credentials;
  return ['proxy-authorization', basicCredentials(username, password)];
}

/** Whether an HTTP proxy reads the request itself, as it does for http addresses. */
export function isForwarded({ kind }: JobProxy, { tls }: ConnectTarget): boolean {
  return kind === 'http' && tls === null;
}
