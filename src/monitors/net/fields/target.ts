import type { Problem } from '../../../core/validation.ts';
import type { ConnectTarget } from '../dial.ts';
import { type AddressRules, addressProblems, readAddress } from './address.ts';
import { versionProblems } from './connection.ts';
import { type TlsField, tlsChoiceOf, tlsProblems } from './tls.ts';

/** Fields of types whose address tells by its scheme whether TLS is spoken from the first byte on. */
export interface TargetFields {
  uri: string;
  tls?: TlsField;
  ip_version?: 4 | 6 | 'auto';
}

/** Returns the problems of these fields; `secure` is the scheme with TLS. */
export function targetProblems(
  { uri, tls, ip_version: version }: Partial<TargetFields>,
  rules: AddressRules,
  secure: string,
): Problem[] {
  const address = uri === undefined ? null : readAddress(uri);
  const found = [
    ...addressProblems(uri, rules),
    ...tlsProblems(tls),
    ...versionProblems(address?.host ?? null, version),
  ];
  if (address !== null && address.scheme !== secure && tls !== undefined) {
    found.push({ path: 'tls', given: tls, accepted: `nothing without TLS: a ${secure}:// address` });
  }
  return found;
}

/** The fields must be valid. */
export function targetOf(
  { uri, tls, ip_version: version = 'auto' }: TargetFields,
  { secure, port: defaultPort }: { secure: string; port: number },
): ConnectTarget {
  const address = readAddress(uri);
  if (address === null) throw new Error('The address of a job cannot be read');
  return {
    host: address.host,
    port: address.port ?? defaultPort,
    tls: address.scheme === secure ? tlsChoiceOf(tls ?? {}) : null,
    ...(version === 'auto' ? {} : { ipVersion: version }),
  };
}
