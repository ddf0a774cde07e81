import { Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { IpVersion, NameResolver } from '../../monitor.ts';
import { type FoundAddresses, hasNoAddress, queryAddresses } from './query.ts';
import { type ResolverRules, readHostsFile, readResolverRules } from './system-files.ts';

export interface NameResolverOptions {
  /** Limit of one query to a name server; it is asked twice. */
  timeoutMs?: number;
  /** Names kept at most. */
  cacheSize?: number;
  /** No answer is kept longer, whatever its time to live. */
  maxTtlMs?: number;
  hostsFile?: string;
  resolvConf?: string;
  /** Instead of those of the system: `127.0.0.1:5300`. */
  servers?: readonly string[];
  /** Where the name servers of resolv.conf listen; by default 53. */
  port?: number;
  /** Versions that this machine can connect with, the preferred one first; by default what its interfaces say. */
  versions?: () => readonly [IpVersion, ...IpVersion[]];
  /** Monotonic, ms. */
  now?: () => number;
}

interface Answer {
  found: FoundAddresses | null;
  /** Why there are none. */
  error: Error | null;
  expiresAt: number;
}

/** The system's files and interfaces are looked at again this often. */
const LOOK_AGAIN_MS = 10_000;
/** A name that does not exist is asked for again after this, or after no time when the server failed. */
const NEGATIVE_TTL_MS = 2_000;

let shared: NameResolver | undefined;

/** One resolver, with its cache, for all monitors of the process. */
export function sharedNames(): NameResolver {
  shared ??= createNameResolver();
  return shared;
}

/**
 * Names by c-ares (getaddrinfo runs on four threads, which a few slow names would hold), with the hosts file before it,
 * the search domains of resolv.conf, and a small cache. Both files are followed as they change. Addresses of both
 * versions are asked for and alternate, the version that the machine prefers first (RFC 8305); a version that the machine
 * has no way to is asked for when there is no address of the other. Jobs that ask for one name at a time share a query.
 */
export function createNameResolver(options: NameResolverOptions = {}): NameResolver {
  return new CachingResolver(options);
}

class CachingResolver implements NameResolver {
  readonly #newResolver: () => Resolver;
  readonly #isTold: boolean;
  readonly #port: number;
  #resolver: Resolver;
  readonly #cache = new Map<string, Answer>();
  readonly #underWay = new Map<string, Promise<FoundAddresses>>();
  readonly #cacheSize: number;
  readonly #maxTtlMs: number;
  readonly #hostsFile: string;
  readonly #resolvConf: string;
  readonly #readVersions: () => readonly [IpVersion, ...IpVersion[]];
  readonly #now: () => number;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | null = null;
  #hosts: ReadonlyMap<string, readonly string[]> = new Map();
  #rules: ResolverRules = { servers: [], domains: [], dots: 1 };
  #versions: readonly [IpVersion, ...IpVersion[]] = [4];

  constructor(options: NameResolverOptions) {
    const { timeoutMs = 2_500, cacheSize = 10_000, maxTtlMs = 60_000, servers } = options;
    this.#newResolver = () => new Resolver({ timeout: timeoutMs, tries: 2 });
    this.#resolver = this.#newResolver();
    this.#isTold = servers !== undefined;
    this.#port = options.port ?? 53;
    if (servers) this.#resolver.setServers(servers);
    this.#cacheSize = cacheSize;
    this.#maxTtlMs = maxTtlMs;
    this.#hostsFile = options.hostsFile ?? '/etc/hosts';
    this.#resolvConf = options.resolvConf ?? '/etc/resolv.conf';
    this.#readVersions = options.versions ?? versionsOfInterfaces;
    this.#now = options.now ?? (() => performance.now());
  }

  async resolve(host: string, version?: IpVersion): Promise<readonly string[]> {
    if (this.#now() - this.#lookedAt >= LOOK_AGAIN_MS) await this.#look();
    const name = host.toLowerCase();
    const bare = name.endsWith('.') ? name.slice(0, -1) : name;
    const isLocal = bare === 'localhost' || bare.endsWith('.localhost');
    const listed = this.#hosts.get(bare) ?? [];
    const local = isLocal && onlyOf(version, listed).length === 0 ? LOOPBACK : listed;
    if (local.length > 0) return orNoData(onlyOf(version, local), bare);
    const found = await this.#lookUp(name, version);
    const first = version ?? this.#versions[0];
    return interleave(found[first], found[first === 4 ? 6 : 4]);
  }

  async #lookUp(name: string, version: IpVersion | undefined): Promise<FoundAddresses> {
    const key = version === undefined ? name : `${name} ${version}`;
    const known = this.#cache.get(key);
    if (known && known.expiresAt > this.#now()) {
      if (known.found === null) throw known.error;
      return known.found;
    }
    let answer = this.#underWay.get(key);
    if (!answer) {
      answer = this.#find(name, version, key).finally(() => this.#underWay.delete(key));
      this.#underWay.set(key, answer);
    }
    return answer;
  }

  async #find(name: string, version: IpVersion | undefined, key: string): Promise<FoundAddresses> {
    const resolver = this.#resolver;
    let failure: unknown;
    const keep = (answer: Omit<Answer, 'expiresAt'>, ttlMs: number) => {
      // What the name servers of before have said is of the network of before.
      if (resolver === this.#resolver) this.#keep(key, { ...answer, expiresAt: this.#now() + ttlMs });
    };
    for (const candidate of candidates(name, this.#rules)) {
      try {
        const found = await this.#ask(resolver, candidate, version);
        keep({ found, error: null }, Math.min(this.#maxTtlMs, found.ttlMs));
        return found;
      } catch (error) {
        // The first candidate is what was most likely meant: its error says most.
        failure ??= error;
        if (!hasNoAddress(error)) break;
      }
    }
    if (hasNoAddress(failure)) keep({ found: null, error: failure as Error }, NEGATIVE_TTL_MS);
    throw failure;
  }

  async #ask(resolver: Resolver, name: string, version: IpVersion | undefined): Promise<FoundAddresses> {
    const versions = version === undefined ? this.#versions : [version];
    try {
      return await queryAddresses(resolver, name, versions);
    } catch (error) {
      const isNameThere = (error as NodeJS.ErrnoException).code === 'ENODATA';
      // Only one was asked for because the machine has no way to the other; that is told by the attempt to connect.
      if (!isNameThere || version !== undefined || versions.length > 1) throw error;
      return queryAddresses(resolver, name, [versions[0] === 4 ? 6 : 4]);
    }
  }

  #keep(key: string, answer: Answer): void {
    this.#cache.delete(key);
    this.#cache.set(key, answer);
    if (this.#cache.size > this.#cacheSize) this.#cache.delete(this.#cache.keys().next().value as string);
  }

  #look(): Promise<void> {
    this.#looking ??= this.#readSystem().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  async #readSystem(): Promise<void> {
    this.#hosts = await readHostsFile(this.#hostsFile);
    const rules = await readResolverRules(this.#resolvConf);
    // A file without a name server is one that is being written, or there is none: the last ones are kept.
    const servers = rules.servers.length > 0 ? rules.servers : this.#rules.servers;
    if (!this.#isTold && servers.join() !== this.#rules.servers.join()) this.#askServers(servers);
    this.#rules = { ...rules, servers };
    const versions = this.#readVersions();
    if (versions.join() !== this.#versions.join()) this.#cache.clear();
    this.#versions = versions;
    this.#lookedAt = this.#now();
  }

  /** A resolver with queries under way takes no other servers, so there is a new one. */
  #askServers(servers: readonly string[]): void {
    const resolver = this.#newResolver();
    resolver.setServers(servers.map((server) => (isIP(server) === 6 ? `[${server}]:` : `${server}:`) + this.#port));
    this.#resolver = resolver;
    this.#cache.clear();
    this.#underWay.clear();
  }
}

const LOOPBACK: readonly string[] = Object.freeze(['127.0.0.1', '::1']);

/** IPv6 first where the machine has an address of it that leads outside, as RFC 6724 orders; without a network, both. */
function versionsOfInterfaces(): readonly [IpVersion, ...IpVersion[]] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const has = (family: string, isUsable: (address: string) => boolean = () => true) =>
    all.some((item) => item.family === family && !item.internal && isUsable(item.address));
  const hasIpv6 = has('IPv6', (address) => !address.startsWith('fe80'));
  if (has('IPv4')) return hasIpv6 ? [6, 4] : [4];
  return hasIpv6 ? [6] : [4, 6];
}

/** One of each in turn, so that a version that does not work delays but one attempt. */
function interleave(first: readonly string[], second: readonly string[]): readonly string[] {
  const length = Math.max(first.length, second.length);
  return Array.from({ length }, (_, index) => [first.at(index), second.at(index)])
    .flat()
    .filter((address) => address !== undefined);
}

function onlyOf(version: IpVersion | undefined, addresses: readonly string[]): readonly string[] {
  return version === undefined ? addresses : addresses.filter((address) => isIP(address) === version);
}

function orNoData(addresses: readonly string[], name: string): readonly string[] {
  if (addresses.length > 0) return addresses;
  throw Object.assign(new Error(`${name} has no such address`), { code: 'ENODATA' });
}

/** In the order in which resolv.conf has them asked for. A dot at the end forbids search domains. */
function candidates(name: string, { domains, dots }: ResolverRules): string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)];
  const searched = domains.map((domain) => `${name}.${domain}`);
  return name.split('.').length - 1 >= dots ? [name, ...searched] : [...searched, name];
}
