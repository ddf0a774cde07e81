import { lookup, Resolver } from 'node:dns/promises';
import { readFile, stat } from 'node:fs/promises';
import { isIP } from 'node:net';

export interface NameResolver {
  /** Addresses of a host name, IPv4 first; never empty. Rejects with a code such as ENOTFOUND or ETIMEOUT. */
  resolve(host: string): Promise<readonly string[]>;
}

export interface ResolverOptions {
  /** Limit of one query to the name servers. */
  timeoutMs?: number;
  /** Names kept at most. */
  cacheSize?: number;
  /** No answer is kept longer, whatever its time to live. */
  maxTtlMs?: number;
  hostsFile?: string;
  now?: () => number;
}

interface Entry {
  addresses: readonly string[];
  expiresAt: number;
}

const HOSTS_CHECK_MS = 10_000;

/**
 * Names by c-ares, so that a slow one starves nobody (getaddrinfo runs on four threads), with the hosts file before it
 * and a small cache behind. A name without dots that the servers do not know is tried with getaddrinfo at last, which
 * knows the search domains.
 */
export function createResolver(options: ResolverOptions = {}): NameResolver {
  const {
    timeoutMs = 3_000,
    cacheSize = 10_000,
    maxTtlMs = 30_000,
    hostsFile = '/etc/hosts',
    now = Date.now,
  } = options;
  const resolver = new Resolver({ timeout: timeoutMs, tries: 2 });
  const cache = new Map<string, Entry>();
  const underWay = new Map<string, Promise<readonly string[]>>();
  const hosts = createHosts(hostsFile, now);

  const query = async (host: string): Promise<readonly string[]> => {
    const [v4, v6] = await Promise.allSettled([
      resolver.resolve4(host, { ttl: true }),
      resolver.resolve6(host, { ttl: true }),
    ]);
    const records = [v4, v6].flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
    if (records.length === 0) {
      if (!host.includes('.')) return (await lookup(host, { all: true })).map(({ address }) => address);
      throw (v4 as PromiseRejectedResult).reason;
    }
    const ttlMs = Math.min(maxTtlMs, 1000 * Math.max(1, Math.min(...records.map(({ ttl }) => ttl))));
    const addresses = records.map(({ address }) => address);
    cache.delete(host);
    cache.set(host, { addresses, expiresAt: now() + ttlMs });
    if (cache.size > cacheSize) cache.delete(cache.keys().next().value as string);
    return addresses;
  };

  return {
    async resolve(host) {
      if (isIP(host)) return [host];
      const name = host.toLowerCase().replace(/\.$/, '');
      const listed = (await hosts()).get(name);
      if (listed) return listed;
      if (name === 'localhost' || name.endsWith('.localhost')) return ['127.0.0.1', '::1'];
      const known = cache.get(name);
      if (known && known.expiresAt > now()) return known.addresses;
      let answer = underWay.get(name);
      if (!answer) {
        answer = query(name).finally(() => underWay.delete(name));
        underWay.set(name, answer);
      }
      return answer;
    },
  };
}

/** The hosts file by name, read again when it was changed. */
function createHosts(file: string, now: () => number): () => Promise<Map<string, string[]>> {
  let names = new Map<string, string[]>();
  let changedMs = -1;
  let checkedAt = Number.NEGATIVE_INFINITY;
  return async () => {
    if (now() - checkedAt < HOSTS_CHECK_MS) return names;
    checkedAt = now();
    try {
      const { mtimeMs } = await stat(file);
      if (mtimeMs !== changedMs) names = parseHosts(await readFile(file, 'utf8'));
      changedMs = mtimeMs;
    } catch {
      // Without a hosts file the name servers know everything.
      names = new Map();
    }
    return names;
  };
}

function parseHosts(text: string): Map<string, string[]> {
  const names = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [address, ...hosts] = line.replace(/#.*/, '').trim().split(/\s+/);
    if (!isIP(address)) continue;
    for (const host of hosts) {
      const name = host.toLowerCase();
      names.set(name, [...(names.get(name) ?? []), address]);
    }
  }
  return names;
}
