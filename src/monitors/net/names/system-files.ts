import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';

/** The content of resolv.conf. */
export interface ResolverRules {
  /** Name servers, in the order to ask them. */
  servers: readonly string[];
  /** Search domains, appended to a name one after the other. */
  domains: readonly string[];
  /** A name with at least this many dots is queried as it is first. */
  dots: number;
}

const MAX_SERVERS = 8;

/** Returns addresses by name in lower case, IPv4 first; empty without a file. */
export async function readHostsFile(path: string): Promise<Map<string, string[]>> {
  const names = new Map<string, string[]>();
  for (const line of await linesOf(path)) {
    const [address = '', ...hosts] = line.replace(/#.*/, '').trim().split(/\s+/);
    const family = isIP(address);
    if (family === 0) continue;
    for (const host of hosts) {
      const known = names.get(host.toLowerCase()) ?? [];
      if (known.includes(address)) continue;
      if (family === 4) known.splice(known.filter((other) => isIP(other) === 4).length, 0, address);
      else known.push(address);
      names.set(host.toLowerCase(), known);
    }
  }
  return names;
}

/** Returns name servers, search domains and the option ndots of a resolv.conf. */
export async function readResolverRules(path: string): Promise<ResolverRules> {
  const servers: string[] = [];
  let domains: string[] = [];
  let dots = 1;
  for (const line of await linesOf(path)) {
    const [keyword, ...values] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/);
    const [server = ''] = values;
    if (keyword === 'nameserver' && isIP(server) !== 0) servers.push(server);
    if (keyword === 'search' || keyword === 'domain') {
      domains = values.map((domain) => domain.replace(/\.$/, '').toLowerCase()).filter((domain) => domain !== '');
    }
    if (keyword !== 'options') continue;
    for (const option of values) dots = Number(/^ndots:(\d{1,2})$/.exec(option)?.[1] ?? dots);
  }
  return { servers: servers.slice(0, MAX_SERVERS), domains: domains.slice(0, 6), dots };
}

async function linesOf(path: string): Promise<string[]> {
  try {
    return (await readFile(path, 'utf8')).split('\n');
  } catch {
    // A missing file is empty.
    return [];
  }
}
