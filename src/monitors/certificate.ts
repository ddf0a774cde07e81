import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

export interface CertificateFacts {
  subject: string;
  issuer: string;
  valid_from: string;
  valid_to: string;
  /** Until it expires; negative when it has. */
  days_left: number;
  /** Whether it was accepted, or would have been if verification were on. */
  trusted: boolean;
  protocol: string;
}

const DAY_MS = 86_400_000;

/** Of the peer's certificate; null without TLS. Not cheap: asked for only where it is wanted. */
export function certificateFacts(socket: Socket, nowMs: number): CertificateFacts | null {
  if (!(socket instanceof TLSSocket)) return null;
  const certificate = socket.getPeerX509Certificate();
  if (!certificate) return null;
  const validTo = Date.parse(certificate.validTo);
  return {
    subject: nameOf(certificate.subject),
    issuer: nameOf(certificate.issuer),
    valid_from: new Date(Date.parse(certificate.validFrom)).toISOString(),
    valid_to: new Date(validTo).toISOString(),
    days_left: Math.floor(((validTo - nowMs) / DAY_MS) * 10) / 10,
    trusted: socket.authorized,
    protocol: socket.getProtocol() ?? '',
  };
}

/** The common name, or whatever there is. */
function nameOf(distinguished: string | undefined): string {
  const lines = (distinguished ?? '').split('\n');
  const common = lines.find((line) => line.startsWith('CN='));
  return common ? common.slice(3) : lines.join(', ');
}
