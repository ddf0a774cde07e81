import { hostname, networkInterfaces } from 'node:os';
import type { Clock } from '../core/clock.ts';
import { isLoopback } from '../core/loopback.ts';
import type { FindSelf, SelfPlace } from '../monitors/self.ts';
import type { Database } from '../postgres/database.ts';
import { type Instance, readLiveInstances } from './instances.ts';

/** Where an API process listens, as in its row of `instances`. */
export interface Listening {
  machine: string;
  address: string;
  port: number;
  /** Addresses of its machine by which others may reach it, when it listens on all of them. */
  outside: string[];
}

export interface SelfAddress {
  /** Where this process listens; null without an API. */
  listening: Listening | null;
  /** Whether the others have been told; a process is not ready before. */
  isTold: boolean;
  find: FindSelf;
}

/** A process that was found stays so for this long; it may have ended since. */
const FOUND_MS = 5_000;

/** Finds the API: this process's own, or that of another live process of the database. */
export function createSelfAddress({ database, clock }: { database: Database; clock: Clock }): SelfAddress {
  let found: { place: Promise<SelfPlace | string>; untilMs: number } | null = null;
  let last: SelfPlace | null = null;
  const self: SelfAddress = {
    listening: null,
    isTold: false,
    find() {
      if (self.listening) return Promise.resolve(placeOf(self.listening) as SelfPlace);
      if (found === null || clock.monotonicMs() >= found.untilMs) {
        const place = findLive(database).then(
          (live) => {
            last = typeof live === 'string' ? null : live;
            return live;
          },
          // Watching does not depend on the database.
          (error: Error) => last ?? `the database, which knows where the API is, cannot be asked: ${error.message}`,
        );
        found = { place, untilMs: clock.monotonicMs() + FOUND_MS };
      }
      return found.place;
    },
  };
  return self;
}

export async function findLive(database: Database): Promise<SelfPlace | string> {
  const instances = await readLiveInstances(database);
  const near = listeningOf(instances).sort(
    (a, b) => Number(b.machine === hostname()) - Number(a.machine === hostname()),
  );
  const place = near.map((each) => placeOf(each)).find((each) => each !== null);
  if (place) return place;
  const [nearest] = near;
  if (!nearest) return 'no process with the role api runs';
  return `the API listens on ${nearest.address} of ${nearest.machine} only, which cannot be reached from here`;
}

/** Where the processes with an API listen. */
export function listeningOf(instances: readonly Instance[]): Listening[] {
  return instances.flatMap(({ stats }) => (isListening(stats.listening) ? [stats.listening] : []));
}

export function listeningOn(address: string, port: number): Listening {
  const interfaces = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const outside = interfaces.filter(({ internal, address }) => !internal && !/^fe80:/i.test(address));
  return {
    machine: hostname(),
    address,
    port,
    outside: isAll(address) ? outside.map(({ address }) => address) : [],
  };
}

/** The address to use on this machine; null when it cannot be reached from here. */
export function placeOf({ machine, address, port, outside }: Listening, here = hostname()): SelfPlace | null {
  if (machine === here) return { address: LOOPBACK.get(address) ?? address, port };
  if (isLoopback(address)) return null;
  const [reachable = null] = isAll(address) ? outside : [address];
  return reachable === null ? null : { address: reachable, port };
}

/** The loopback address of the same family as an address that means all interfaces. */
const LOOPBACK: ReadonlyMap<string, string> = new Map([
  ['0.0.0.0', '127.0.0.1'],
  ['::', '::1'],
]);
const isAll = (address: string): boolean => LOOPBACK.has(address);

function isListening(value: unknown): value is Listening {
  const { machine, address, port, outside } = (value ?? {}) as Partial<Listening>;
  return typeof machine === 'string' && typeof address === 'string' && Number.isInteger(port) && Array.isArray(outside);
}
