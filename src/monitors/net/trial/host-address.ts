import { isIP } from 'node:net';
import { ProbeFailure, toFailure } from '../../failure.ts';
import type { ConnectionGate, IpVersion, NameResolver } from '../../monitor.ts';
import { toSeconds } from '../dial.ts';
import type { Trial } from './trial.ts';

export interface HostChoice {
  /** A name or an address. */
  host: string;
  ipVersion?: IpVersion;
}

/**
 * Resolves the name, asks the gate, and returns the first address. All addresses are checked: one internal among public ones
 * is a trap. The time of a lookup is added to that of the trial. Throws a ProbeFailure.
 */
export async function addressOf(
  { host, ipVersion }: HostChoice,
  { trial, names, gate }: { trial: Trial; names: NameResolver; gate: ConnectionGate | null },
): Promise<string> {
  trial.limit.activity = 'address';
  const isLiteral = isIP(host) !== 0;
  const begunAt = performance.now();
  const found = isLiteral
    ? [host]
    : await trial.limit.race(
        names.resolve(host, ipVersion).catch((error) => {
          throw toFailure(error, 'dns');
        }),
      );
  if (!isLiteral) {
    const tookMs = performance.now() - begunAt;
    trial.timings.dns = toSeconds(tookMs);
    trial.tookMs += tookMs;
  }
  for (const address of found) {
    const refusal = gate?.refusal(address) ?? null;
    if (refusal !== null) throw new ProbeFailure('forbidden_address', refusal);
  }
  const address = found.find((each) => ipVersion === undefined || isIP(each) === ipVersion);
  if (address === undefined) throw new ProbeFailure('dns', 'ENODATA: the name has no such address');
  return address;
}
