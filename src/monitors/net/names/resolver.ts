import { Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { IpVersion, NameResolver } from '../../monitor.ts';
import { type FoundAddresses, hasNoAddress, queryAddresses } from './query.ts';
import { type ResolverRules, readHostsFile, readResolverRules } from './system-files.ts';

export interface NameResolverOptions {
  /** Time limit of one query to a name server, which is asked twice. */
  timeoutMs?: number;
  /** Limit of the cached names. */
  cacheSize?: number;
  /** Limit of the time to live. */
  maxTtlMs?: number;
  hostsFile?: string;
  resolvConf?: string;
  /** Name servers to use instead of the system's: `127.0.0.1:5300`. */
  servers?: readonly string[];
  /** Port of the name servers of resolv.conf; 53 by default. */
  port?: number;
  /** Versions that this machine can connect with, the preferred one first; by default those of its interfaces. */
  versions?: () => readonly [IpVersion, ...IpVersion[]];
  /** Monotonic, ms. */
  now?: () => number;
}

interface Answer {
  found: FoundAddresses | null;
  /** The reason why there are none. */
  error: Error | null;
  expiresAt: number;
}

/** Interval in which the system's files and interfaces are read again. */
const LOOK_AGAIN_MS = 10_000;
/** Time to live of a negative response; failures of a server are not cached. */
const NEGATIVE_TTL_MS = 2_000;

let shared: NameResolver | undefined;

/** One resolver, with its cache, for all monitors of the process. */
export function sharedNames(): NameResolver {
  shared ??= createNameResolver();
  return shared;
}

/**
 * Resolves names by c-ares (getaddrinfo runs on four threads, which a few slow names would block), after the hosts
 * file, with the search domains of resolv.conf and a small cache. Changes of both files are followed. Both versions are
 * queried and their addresses alternate, the preferred version first (RFC 8305); a version without a route is queried
 * only if there is no address of the other. Concurrent lookups of one name share a query.
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
      // Results of the previous name servers belong to the previous network.
      if (resolver === this.#resolver) this.#keep(key, { ...answer, expiresAt: this.#now() + ttlMs });
    };
    for (const candidate of candidates(name, this.#rules)) {
      try {
        const found = await this.#ask(resolver, candidate, version);
        keep({ found, error: null }, Math.min(this.#maxTtlMs, found.ttlMs));
        return found;
      } catch (error) {
        // The first candidate is the most likely one, so its error is reported.
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
      // Only one version was queried because there is no route to the other, which the connection attempt reports.
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
    // A file without a name server is being written, or is missing: the previous servers are kept.
    const servers = rules.servers.length > 0 ? rules.servers : this.#rules.servers;
    if (!this.#isTold && servers.join() !== this.#rules.servers.join()) this.#askServers(servers);
    this.#rules = { ...rules, servers };
    const versions = this.#readVersions();
    if (versions.join() !== this.#versions.join()) this.#cache.clear();
    this.#versions = versions;
    this.#lookedAt = this.#now();
  }

  /** A resolver with pending queries accepts no other servers, so a new one is created. */
  #askServers(servers: readonly string[]): void {
    const resolver = this.#newResolver();
    resolver.setServers(servers.map((server) => (isIP(server) === 6 ? `[${server}]:` : `${server}:`) + this.#port));
    this.#resolver = resolver;
    this.#cache.clear();
    this.#underWay.clear();
  }
}

const LOOPBACK: readonly string[] = Object.freeze(['127.0.0.1', '::1']);

/** IPv6 first if the machine has a global IPv6 address, in the order of RFC 6724; both without a network. */
function versionsOfInterfaces(): readonly [IpVersion, ...IpVersion[]] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const has = (family: string, isUsable: (address: string) => boolean = () => true) =>
    all.some((item) => item.family === family && !item.internal && isUsable(item.address));
  const hasIpv6 = has('IPv6', (address) => !address.startsWith('fe80'));
  if (has('IPv4')) return hasIpv6 ? [6, 4] : [4];
  return hasIpv6 ? [6] : [4, 6];
}

/** Alternates the versions, so that a version that does not work delays only one attempt. */
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

/** Returns the candidates in the order of resolv.conf. A dot at the end excludes search domains. */
function candidates(name: string, { domains, dots }: ResolverRules): string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)];
  const searched = domains.map((domain) => `${name}.${domain}`);
  return name.split('.').length - 1 >= dots ? [name, ...searched] : [...searched, name];
}
