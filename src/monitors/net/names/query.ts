import type { Resolver } from 'node:dns/promises';
import type { IpVersion } from '../../monitor.ts';

/** The addresses of one name, each version in the order of the response. */
export interface FoundAddresses {
  4: readonly string[];
  6: readonly string[];
  ttlMs: number;
}

interface Records {
  addresses: readonly string[];
  ttlMs: number;
}

/** Time to wait for the other version once one is known (Resolution Delay of RFC 8305). */
const RESOLUTION_DELAY_MS = 50;
/** Time to live of a result that lacks a version whose query failed. */
const INCOMPLETE_TTL_MS = 2_000;
const NO_ADDRESS = new Set(['ENOTFOUND', 'ENODATA']);

/** Whether an error means that there is no address, rather than that the query failed. */
export function hasNoAddress(error: unknown): boolean {
  return NO_ADDRESS.has((error as NodeJS.ErrnoException)?.code ?? '');
}

/**
 * Queries the versions concurrently. Rejects with an error of c-ares if there is no address of any; the failure of a
 * name server takes precedence over a negative response.
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
  // A negative response for the other version is a response too.
  const isComplete = answers.size + errors.filter(hasNoAddress).length === versions.length;
  const ttlMs = Math.min(...[...answers.values()].map((records) => records.ttlMs));
  return {
    4: answers.get(4)?.addresses ?? [],
    6: answers.get(6)?.addresses ?? [],
    ttlMs: isComplete ? ttlMs : Math.min(ttlMs, INCOMPLETE_TTL_MS),
  };
}

/** Resolves a moment after the first successful query; never if all fail. */
function firstWithDelay(queries: readonly Promise<void>[], hasAnswer: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    for (const query of queries) {
      query.then(() => {
        if (hasAnswer()) setTimeout(resolve, RESOLUTION_DELAY_MS);
      });
    }
  });
}

/** c-ares returns an empty list, and no error, for an alias whose target has no address. */
async function query(resolver: Resolver, name: string, version: IpVersion): Promise<Records> {
  const records =
    version === 4 ? await resolver.resolve4(name, { ttl: true }) : await resolver.resolve6(name, { ttl: true });
  if (records.length === 0) throw Object.assign(new Error(`query ENODATA ${name}`), { code: 'ENODATA' });
  return {
    addresses: records.map(({ address }) => address),
    ttlMs: 1000 * Math.min(...records.map(({ ttl }) => ttl)),
  };
}
