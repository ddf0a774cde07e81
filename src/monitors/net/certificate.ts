import { createHash, X509Certificate } from 'node:crypto';
import { isIP, type Socket } from 'node:net';
import { rootCertificates, TLSSocket } from 'node:tls';
import { shorten } from '../failure.ts';

/** Facts of the peer's certificate. Its content is controlled by the site: each field may be unreadable. */
export interface CertificateFacts {
  subject: string;
  issuer: string;
  /** null: the date cannot be read. */
  valid_from: string | null;
  /** null: the date cannot be read. */
  valid_to: string | null;
  /** Days until the first certificate of the chain expires; negative if one has; null if a date cannot be read. */
  days_left: number | null;
  /** The certificate of the chain that expires first, if it is not the site's own. */
  expires_first?: string;
  /** Whether it was accepted, or would have been if verification were on. */
  trusted: boolean;
  protocol: string;
}

const DAY_MS = 86_400_000;
/** Limit of the certificates of a chain that are examined. */
const MAX_CHAIN = 10;

/** Node.js returns the certificate of a connection with its chain only once. */
const peers = new WeakMap<TLSSocket, X509Certificate>();

/** Returns the peer's certificate, linked to those that it sent with it; undefined if it cannot be read. Never throws. */
export function peerCertificate(socket: TLSSocket): X509Certificate | undefined {
  const known = peers.get(socket);
  if (known !== undefined) return known;
  const certificate = read(() => socket.getPeerX509Certificate());
  if (certificate !== undefined) adoptPeer(socket, certificate);
  return certificate;
}

/** Makes `certificate`, which was read at a full handshake, that of a connection which resumed its session. */
export function adoptPeer(socket: TLSSocket, certificate: X509Certificate): void {
  peers.set(socket, certificate);
  // A closed socket of Node.js is there until the next full garbage collection, which would free all certificates at once.
  socket.once('close', () => peers.delete(socket));
}

/**
 * Returns the facts of the peer's certificate as of now; null without TLS, or if no certificate can be read. Expensive:
 * requested only if needed. `ca` are the trusted authorities, by default those of Node.js. Never throws.
 */
export function certificateFacts(socket: Socket, nowMs: number, ca?: string): CertificateFacts | null {
  if (!(socket instanceof TLSSocket)) return null;
  const own = peerCertificate(socket);
  if (own === undefined) return null;
  const first = firstToExpire(usedChain(own, nowMs, ca));
  return {
    subject: commonName(read(() => own.subject)),
    issuer: commonName(read(() => own.issuer)),
    valid_from: isoDate(dateOf(own, 'validFrom')),
    valid_to: isoDate(dateOf(own, 'validTo')),
    days_left: first.validTo === null ? null : Math.floor(((first.validTo - nowMs) / DAY_MS) * 10) / 10,
    ...(first.certificate === own ? {} : { expires_first: commonName(read(() => first.certificate.subject)) }),
    trusted: socket.authorized,
    protocol: socket.getProtocol() ?? '',
  };
}

/** Returns when the first certificate of the chain expires, ms since the epoch; null if a date cannot be read. Never throws. */
export function chainEndMs(own: X509Certificate, nowMs: number, ca?: string): number | null {
  return firstToExpire(usedChain(own, nowMs, ca)).validTo;
}

/**
 * Returns why the peer's public key is not one of `pins`, for people; null if it is. A pin is `sha256/` and the SHA-256 of the
 * SubjectPublicKeyInfo in base64 (RFC 7469 2.4). Other certificates of the chain do not count: anyone can send them along.
 */
export function pinFault(socket: TLSSocket, pins: readonly string[]): string | null {
  const key = read(() => peerCertificate(socket)?.publicKey.export({ type: 'spki', format: 'der' }));
  if (key === undefined) return 'the public key cannot be read, and only pinned ones are accepted';
  const pin = `sha256/${createHash('sha256').update(key).digest('base64')}`;
  return pins.includes(pin) ? null : `the public key is ${pin}, which is not pinned`;
}

/** Compares two certificates; an unreadable date counts as the earliest. */
export function expiresNoLater({ days_left: daysLeft }: CertificateFacts, other: CertificateFacts | null): boolean {
  if (daysLeft === null || other === null) return true;
  return other.days_left !== null && daysLeft <= other.days_left;
}

/** Returns the reason for replacing a certificate, for people; null if it is valid long enough. */
export function expiryWarning({ days_left: daysLeft, expires_first: other }: CertificateFacts, warningDays: number) {
  const which = other === undefined ? 'certificate' : `certificate ${other} of the chain`;
  if (daysLeft === null) return `${which} has no expiry date that can be read`;
  if (daysLeft >= warningDays) return null;
  return `${which} expires in ${daysLeft} days`;
}

/** The certificates that a peer sent, its own first, and the names for which its own is valid. Never throws. */
export function sentCertificates(socket: Socket): { chain: string[]; names: string[]; fits(name: string): boolean } {
  const own = socket instanceof TLSSocket ? peerCertificate(socket) : undefined;
  if (own === undefined) return { chain: [], names: [], fits: () => false };
  const alternatives = read(() => own.subjectAltName) ?? '';
  return {
    chain: sentChain(own).map((certificate) => {
      const end = isoDate(dateOf(certificate, 'validTo'))?.slice(0, 10) ?? 'an unreadable date';
      return `${commonName(read(() => certificate.subject))} until ${end}`;
    }),
    names: alternatives.split(', ').slice(0, MAX_NAMES).map(shorten),
    fits: (name) => read(() => (isIP(name) ? own.checkIP(name) : own.checkHost(name, STRICT))) !== undefined,
  };
}

const MAX_NAMES = 50;
/** Alternative names only, wildcards of whole labels. */
const STRICT = { subject: 'never', partialWildcards: false } as const;

/** Returns the chain as the peer sent it, its own certificate first. */
function sentChain(own: X509Certificate): readonly X509Certificate[] {
  const found: X509Certificate[] = [];
  let next: X509Certificate | undefined = own;
  while (next && found.length < MAX_CHAIN) {
    const certificate: X509Certificate = next;
    found.push(certificate);
    next = read(() => certificate.issuerCertificate);
  }
  return found;
}

/**
 * Returns the path from the peer's certificate to a trusted authority, as OpenSSL builds it: a known authority ends it,
 * so that a superfluous expired certificate does not matter.
 */
function usedChain(own: X509Certificate, nowMs: number, ca: string | undefined): readonly X509Certificate[] {
  const sent = sentChain(own);
  const anchors = anchorsOf(ca);
  const path = [own];
  for (let last = own; ; ) {
    const subject = last;
    const isIssuer = (candidate: X509Certificate) =>
      candidate.fingerprint256 !== subject.fingerprint256 && (read(() => subject.checkIssued(candidate)) ?? false);
    const issuerName = read(() => subject.issuer) ?? '';
    const anchor = anchors.get(issuerName)?.find(isIssuer);
    if (anchor) return [...path, anchor];
    const issuers = sent.filter((candidate) => !path.includes(candidate) && isIssuer(candidate));
    const issuer = issuers.find((candidate) => (dateOf(candidate, 'validTo') ?? 0) > nowMs) ?? issuers[0];
    if (!issuer) return path;
    path.push(issuer);
    last = issuer;
  }
}

/** An unreadable date counts as the earliest. */
function firstToExpire(chain: readonly X509Certificate[]): { certificate: X509Certificate; validTo: number | null } {
  const dated = chain.map((certificate) => ({ certificate, validTo: dateOf(certificate, 'validTo') }));
  return dated.reduce((first, other) => {
    if (first.validTo === null) return first;
    return other.validTo === null || other.validTo < first.validTo ? other : first;
  });
}

type Anchors = ReadonlyMap<string, readonly X509Certificate[]>;

let rootAnchors: Anchors | undefined;
const MAX_KEPT = 64;
const keptAnchors = new Map<string, Anchors>();

/** Authorities by their subject. */
function anchorsOf(ca: string | undefined): Anchors {
  if (ca === undefined) {
    rootAnchors ??= bySubject(rootCertificates);
    return rootAnchors;
  }
  let anchors = keptAnchors.get(ca);
  if (anchors) return anchors;
  anchors = bySubject(ca.match(/-----BEGIN [^-]*CERTIFICATE-----[^-]+-----END [^-]*CERTIFICATE-----/g) ?? []);
  if (keptAnchors.size >= MAX_KEPT) keptAnchors.delete(keptAnchors.keys().next().value as string);
  keptAnchors.set(ca, anchors);
  return anchors;
}

function bySubject(texts: readonly string[]): Anchors {
  const anchors = new Map<string, X509Certificate[]>();
  for (const text of texts) {
    const certificate = read(() => new X509Certificate(text));
    const subject = read(() => certificate?.subject);
    if (!certificate || subject === undefined) continue;
    anchors.set(subject, [...(anchors.get(subject) ?? []), certificate]);
  }
  return anchors;
}

/** Returns ms since the epoch; null if the certificate has no valid date, which OpenSSL calls a bad time value. */
function dateOf(certificate: X509Certificate, name: 'validFrom' | 'validTo'): number | null {
  const at = Date.parse(read(() => certificate[name]) ?? '');
  return Number.isNaN(at) ? null : at;
}

const isoDate = (at: number | null): string | null => (at === null ? null : new Date(at).toISOString());

/** Reads a property of a certificate; undefined if it cannot be read. */
function read<T>(get: () => T): T | undefined {
  try {
    return get();
  } catch {
    // A certificate that cannot be read is a fact about the site.
    return undefined;
  }
}

/** Returns the common name, or the whole distinguished name. */
function commonName(distinguished: string | undefined): string {
  const lines = (distinguished ?? '').split('\n');
  const common = lines.find((line) => line.startsWith('CN='));
  return shorten(common ? common.slice(3) : lines.join(', '));
}
