import { BlockList, isIP } from 'node:net';
import type { ConnectionGate } from '../monitor.ts';

export interface GateOptions {
  /** `off` allows everything; `deny_internal` refuses addresses outside the public internet; `auto` is that while `isPublic`. */
  mode: 'auto' | 'off' | 'deny_internal';
  /** Whether jobs may come from others than the user of this machine. May change at any time. Default: they may. */
  isPublic?: () => boolean;
  /** Addresses and networks (`10.1.0.0/16`) that are always allowed. */
  allow?: readonly string[];
}

/** Networks outside the public internet, with their meaning (IANA special-purpose registries). */
const INTERNAL: ReadonlyArray<readonly [network: string, what: string]> = [
  ['0.0.0.0/8', 'this host'],
  ['10.0.0.0/8', 'a private network'],
  ['100.64.0.0/10', 'a carrier network'],
  ['127.0.0.0/8', 'loopback'],
  ['168.63.129.16/32', 'the metadata service of a cloud'],
  ['169.254.0.0/16', 'link-local, where clouds serve metadata'],
  ['172.16.0.0/12', 'a private network'],
  ['192.0.0.0/24', 'reserved'],
  ['192.0.2.0/24', 'documentation'],
  ['192.88.99.0/24', 'reserved'],
  ['192.168.0.0/16', 'a private network'],
  ['198.18.0.0/15', 'benchmarking'],
  ['198.51.100.0/24', 'documentation'],
  ['203.0.113.0/24', 'documentation'],
  ['224.0.0.0/4', 'multicast'],
  ['240.0.0.0/4', 'reserved'],
  ['::/128', 'this host'],
  ['::1/128', 'loopback'],
  ['64:ff9b:1::/48', 'a translation of its own network'],
  ['100::/64', 'discard'],
  ['2001::/32', 'Teredo, which hides another address'],
  ['2001:10::/28', 'an identifier, not a network'],
  ['2001:20::/28', 'an identifier, not a network'],
  ['2001:db8::/32', 'documentation'],
  ['3fff::/20', 'documentation'],
  ['5f00::/16', 'segment routing'],
  ['fc00::/7', 'a private network'],
  ['fe80::/10', 'link-local'],
  ['fec0::/10', 'a private network'],
  ['ff00::/8', 'multicast'],
];

/** Networks that embed an IPv4 address in an IPv6 one, with the index of its first 16-bit group. */
const EMBEDDING: ReadonlyArray<readonly [network: string, group: number]> = [
  ['::/96', 6],
  ['::ffff:0:0/96', 6],
  ['::ffff:0:0:0/96', 6],
  ['64:ff9b::/96', 6],
  ['2002::/16', 1],
];

/** The interface identifiers of ISATAP end with an IPv4 address, in any network. */
const isIsatap = ([, , , , flags = 0, type]: readonly number[]) => (flags & 0xfdff) === 0 && type === 0x5efe;

/** Returns a block list of `10.0.0.0/8`, `fc00::/7` or a single address. */
function listOf(network: string): BlockList {
  const [address = '', prefix] = network.split('/');
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
  const list = new BlockList();
  list.addSubnet(address, prefix === undefined ? (family === 'ipv6' ? 128 : 32) : Number(prefix), family);
  return list;
}

export function createGate({ mode, isPublic = () => true, allow = [] }: GateOptions): ConnectionGate {
  const isOff = mode === 'auto' ? () => !isPublic() : () => mode === 'off';
  const allowed = allow.map(listOf);
  const internal = INTERNAL.map(([network, what]) => ({ list: listOf(network), network, what }));
  const embedding = EMBEDDING.map(([network, group]) => ({ list: listOf(network), group }));

  const refusal = (address: string): string | null => {
    const family = isIP(address);
    if (family === 0) return `${address} is not an address`;
    const kind = family === 6 ? 'ipv6' : 'ipv4';
    // A zone (fe80::1%eth0) does not change what an address is.
    const [bare = ''] = address.split('%');
    if (allowed.some((list) => list.check(bare, kind))) return null;
    const refused = internal.find(({ list }) => list.check(bare, kind));
    if (refused) return `${address} is ${refused.what} (${refused.network})`;
    if (kind === 'ipv4') return null;
    const groups = expand(bare);
    const group = isIsatap(groups) ? 6 : embedding.find(({ list }) => list.check(bare, kind))?.group;
    return group === undefined ? null : refusal(embeddedAddress(groups, group));
  };
  return { refusal: (address) => (isOff() ? null : refusal(address)) };
}

/** Returns the IPv4 address in the groups `group` and `group + 1` of an IPv6 one. */
function embeddedAddress(groups: readonly number[], group: number): string {
  return groups
    .slice(group, group + 2)
    .flatMap((pair) => [pair >> 8, pair & 255])
    .join('.');
}

/** Returns the eight 16-bit groups of a valid IPv6 address. */
function expand(address: string): number[] {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  const plain = dotted
    ? `${dotted[1]}${((Number(dotted[2]) << 8) | Number(dotted[3])).toString(16)}:${((Number(dotted[4]) << 8) | Number(dotted[5])).toString(16)}`
    : address;
  const [head, tail] = plain.split('::');
  const parse = (part: string | undefined) =>
    part ? part.split(':').map((digits) => Number.parseInt(digits, 16)) : [];
  const before = parse(head);
  const after = parse(tail);
  return [...before, ...new Array(8 - before.length - after.length).fill(0), ...after];
}
