import { isIP } from 'node:net';
import { readAddress } from '../net/fields/address.ts';
import type { RecordType } from './records.ts';

/** Ports of the schemes unless the address has one. */
const PORTS = { dns: 53, 'dns+tls': 853, 'dns+https': 443 } as const;

export type DnsScheme = keyof typeof PORTS;

export const DNS_SCHEMES = Object.keys(PORTS) as DnsScheme[];
export const DNS_PORT = PORTS.dns;

export interface DnsTarget {
  scheme: DnsScheme;
  /** null: the resolver of this machine. */
  resolver: { host: string; port: number } | null;
  name: string;
  type: RecordType;
}

/** Returns the parts of an address; null if it cannot be read. */
export function readTarget(uri: string): (DnsTarget & { type: string }) | null {
  const [, given = '', authority = '', path = '', search = ''] =
    /^(dns(?:\+tls|\+https)?):\/\/([^/?#]*)\/([^/?#]+)(?:\?([^#]*))?$/i.exec(uri) ?? [];
  if (given === '') return null;
  const scheme = given.toLowerCase() as DnsScheme;
  const address = authority === '' ? null : readAddress(`${scheme}://${authority}`);
  if (authority !== '' && address === null) return null;
  const query = new URLSearchParams(search);
  const type = (query.get('type') ?? 'A').toUpperCase() as RecordType;
  const resolver = address === null ? null : { host: address.host, port: address.port ?? PORTS[scheme] };
  return { scheme, resolver, type, name: type === 'PTR' ? reversed(path) : path };
}

/** 192.0.2.1 is asked for as 1.2.0.192.in-addr.arpa. */
function reversed(name: string): string {
  if (isIP(name) === 4) return `${name.split('.').reverse().join('.')}.in-addr.arpa`;
  if (isIP(name) !== 6) return name;
  const [head = '', tail = ''] = new URL(`http://[${name}]`).hostname.slice(1, -1).split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':'));
  const before = groups(head);
  const after = groups(tail);
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0');
  const digits = [...before, ...zeros, ...after].map((group) => group.padStart(4, '0')).join('');
  return `${[...digits].reverse().join('.')}.ip6.arpa`;
}
