import type { Resolver } from 'node:dns/promises';
import type { IpVersion } from '../../monitor.ts';

/** What name servers say of one name: addresses, each version in the order of the answer. */
export interface FoundAddresses {
  4: readonly string[];
  6: readonly string[];
  ttlMs: number;
}

interface Records {
  addresses: readonly string[];
  ttlMs: number;
}

/** The other version is waited for so long once one is known (Resolution Delay of RFC 8305). */
const RESOLUTION_DELAY_MS = 50;
/** An answer that lacks a version whose query failed is kept so long. */
const INCOMPLETE_TTL_MS = 2_000;
const NO_ADDRESS = new Set(['ENOTFOUND', 'ENODATA']);

/** Whether an error says that there is no address, and not that nobody could tell. */
export function hasNoAddress(error: unknown): boolean {
  return NO_ADDRESS.has((error as NodeJS.ErrnoException)?.code ?? '');
}

/**
 * Asks for addresses of the versions at the same time. Rejects with an error of c-ares when there is none of any: the one
 * of a name server that failed before one that says that there is no address.
 */
export async function queryAddresses(
  resolver: Resolver,
  name: string,
  versions: readonly IpVersion[],
): Promise<FoundAddresses> {
  const answers = new Map<IpVersion, Records>();
  const errors: unknown[] = [];
  const queries = versions.map((version) =>
    query(resolver, name, version).then(
      (records) => void answers.set(version, records),
      (error) => void errors.push(error),
    ),
  );
  await Promise.race([Promise.all(queries), firstWithDelay(queries, () => answers.size > 0)]);
  if (answers.size === 0) throw errors.find((error) => !hasNoAddress(error)) ?? errors[0];
  // A failure that says that there is no address of the other version is an answer, too.
  const isComplete = answers.size + errors.filter(hasNoAddress).length === versions.length;
  const ttlMs = Math.min(...[...answers.values()].map((records) => records.ttlMs));
  return {
    4: answers.get(4)?.addresses ?? [],
    6: answers.get(6)?.addresses ?? [],
    ttlMs: isComplete ? ttlMs : Math.min(ttlMs, INCOMPLETE_TTL_MS),
  };
}

/** Resolves a moment after the first query that has brought something; never when none does. */
function firstWithDelay(queries: readonly Promise<void>[], hasAnswer: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    for (const query of queries) {
      query.then(() => {
        if (hasAnswer()) setTimeout(resolve, RESOLUTION_DELAY_MS);
      });
    }
  });
}

/** c-ares gives an empty list, and no error, for an alias whose end has no address: that is no success. */
async function query(resolver: Resolver, name: string, version: IpVersion): Promise<Records> {
  const records =
    version === 4 ? await resolver.resolve4(name, { ttl: true }) : await resolver.resolve6(name, { ttl: true });
  if (records.length === 0) throw Object.assign(new Error(`query ENODATA ${name}`), { code: 'ENODATA' });
  return {
    addresses: records.map(({ address }) => address),
    ttlMs: 1000 * Math.min(...records.map(({ ttl }) => ttl)),
  };
}
