import { Resolver } from 'node:dns/promises';
import { networkInterfaces } from 'node:os';
import type { NameResolver } from './monitor.ts';
import { readHostsFile, readSearchRules, type SearchRules } from './names-files.ts';

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
  /** Monotonic, ms. */
  now?: () => number;
}

interface Answer {
  addresses: readonly string[];
  /** Why there are none. */
  error: Error | null;
  expiresAt: number;
}

/** The system's files and interfaces are looked at again this often. */
const LOOK_AGAIN_MS = 10_000;
/** A name that does not exist is asked for again after this, or after no time when the server failed. */
const NEGATIVE_TTL_MS = 2_000;
const NO_ADDRESS = new Set(['ENOTFOUND', 'ENODATA']);

let shared: NameResolver | undefined;

/** One resolver, with its cache, for all monitors of the process. */
export function sharedNames(): NameResolver {
  shared ??= createNameResolver();
  return shared;
}

/**
 * Names by c-ares (getaddrinfo runs on four threads, which a few slow names would hold), with the hosts file before it,
 * the search domains of resolv.conf, and a small cache. IPv6 addresses are asked for when there are no IPv4 ones, or
 * first where the machine has no IPv4. Jobs that ask for one name at a time share a query.
 */
export function createNameResolver(options: NameResolverOptions = {}): NameResolver {
  return new CachingResolver(options);
}

class CachingResolver implements NameResolver {
  readonly #resolver: Resolver;
  readonly #cache = new Map<string, Answer>();
  readonly #underWay = new Map<string, Promise<readonly string[]>>();
  readonly #cacheSize: number;
  readonly #maxTtlMs: number;
  readonly #hostsFile: string;
  readonly #resolvConf: string;
  readonly #now: () => number;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | null = null;
  #hosts: ReadonlyMap<string, readonly string[]> = new Map();
  #search: SearchRules = { domains: [], dots: 1 };
  #hasIpv4 = true;

  constructor(options: NameResolverOptions) {
    const { timeoutMs = 2_500, cacheSize = 10_000, maxTtlMs = 60_000, servers } = options;
    this.#resolver = new Resolver({ timeout: timeoutMs, tries: 2 });
    if (servers) this.#resolver.setServers(servers);
    this.#cacheSize = cacheSize;
    this.#maxTtlMs = maxTtlMs;
    this.#hostsFile = options.hostsFile ?? '/etc/hosts';
    this.#resolvConf = options.resolvConf ?? '/etc/resolv.conf';
    this.#now = options.now ?? (() => performance.now());
  }

  async resolve(host: string): Promise<readonly string[]> {
    if (this.#now() - this.#lookedAt >= LOOK_AGAIN_MS) await this.#look();
    const name = host.toLowerCase();
    const bare = name.endsWith('.') ? name.slice(0, -1) : name;
    const listed = this.#hosts.get(bare);
    if (listed) return listed;
    if (bare === 'localhost' || bare.endsWith('.localhost')) return LOOPBACK;
    const known = this.#cache.get(name);
    if (known && known.expiresAt > this.#now()) {
      if (known.error) throw known.error;
      return known.addresses;
    }
    let answer = this.#underWay.get(name);
    if (!answer) {
      answer = this.#find(name).finally(() => this.#underWay.delete(name));
      this.#underWay.set(name, answer);
    }
    return answer;
  }

  async #find(name: string): Promise<readonly string[]> {
    let failure: unknown;
    for (const candidate of candidates(name, this.#search)) {
      try {
        const { addresses, ttlMs } = await this.#ask(candidate);
        this.#keep(name, { addresses, error: null, expiresAt: this.#now() + ttlMs });
        return addresses;
      } catch (error) {
        // The first candidate is what was most likely meant: its error says most.
        failure ??= error;
        if (!hasNoAddress(error)) break;
      }
    }
    if (hasNoAddress(failure)) {
      this.#keep(name, { addresses: [], error: failure as Error, expiresAt: this.#now() + NEGATIVE_TTL_MS });
    }
    throw failure;
  }

  async #ask(name: string): Promise<{ addresses: string[]; ttlMs: number }> {
    const ipv4 = () => this.#resolver.resolve4(name, { ttl: true });
    const ipv6 = () => this.#resolver.resolve6(name, { ttl: true });
    const [first, second] = this.#hasIpv4 ? [ipv4, ipv6] : [ipv6, ipv4];
    const records = await first().catch((error) => {
      // ENODATA: the name is there, with addresses of the other kind or none.
      if (error.code === 'ENODATA') return second();
      throw error;
    });
    const ttlMs = Math.min(this.#maxTtlMs, 1000 * Math.min(...records.map(({ ttl }) => ttl)));
    return { addresses: records.map(({ address }) => address), ttlMs };
  }

  #keep(name: string, answer: Answer): void {
    this.#cache.delete(name);
    this.#cache.set(name, answer);
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
    this.#search = await readSearchRules(this.#resolvConf);
    const outside = Object.values(networkInterfaces())
      .flat()
      .filter((address) => address && !address.internal);
    this.#hasIpv4 = outside.length === 0 || outside.some((address) => address?.family === 'IPv4');
    this.#lookedAt = this.#now();
  }
}

const LOOPBACK: readonly string[] = Object.freeze(['127.0.0.1', '::1']);

function hasNoAddress(error: unknown): boolean {
  return NO_ADDRESS.has((error as NodeJS.ErrnoException)?.code ?? '');
}

/** In the order in which resolv.conf has them asked for. A dot at the end forbids search domains. */
function candidates(name: string, { domains, dots }: SearchRules): string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)];
  const searched = domains.map((domain) => `${name}.${domain}`);
  return name.split('.').length - 1 >= dots ? [name, ...searched] : [...searched, name];
}
