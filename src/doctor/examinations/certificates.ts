import { createPrivateKey, X509Certificate } from 'node:crypto';
import { counted } from '../../core/plural.ts';
import { type Examination, type Finding, ok, problem, warning } from '../examination.ts';

const DAY_MS = 86_400_000;
const SOON_DAYS = 30;

/** Examines the certificates in the settings: whether they are readable, match their keys, and when they expire. */
export const certificates: Examination = {
  name: 'certificates',
  settings: ['kafka.tls', 'database.tls'],
  async examine({ settings, machine }) {
    const now = machine.wallMs();
    return (['kafka', 'database'] as const).flatMap((group) => {
      const { ca, certificate, key } = settings[group].tls;
      return [
        ...(ca === null ? [] : judge(`${group}.tls.ca`, ca, now)),
        ...(certificate === null ? [] : judge(`${group}.tls.certificate`, certificate, now)),
        ...(certificate === null || key === null ? [] : compare(`${group}.tls.key`, certificate, key)),
      ];
    });
  },
};

/** A file may hold a chain of certificates. */
function judge(path: string, pem: string, now: number): Finding[] {
  const parts = pem.match(/-----BEGIN [^-]*CERTIFICATE-----[^-]+-----END [^-]*CERTIFICATE-----/g) ?? [];
  if (parts.length === 0) return [problem(path, 'no certificate in it', 'Name the file that holds the certificate.')];
  return parts.map((part) => {
    let certificate: X509Certificate;
    try {
      certificate = new X509Certificate(part);
    } catch (error) {
      return problem(path, `cannot be read: ${(error as Error).message}`, 'Fetch the file anew from where it came.');
    }
    const name = certificate.subject.replaceAll('\n', ', ');
    const from = Date.parse(certificate.validFrom);
    const to = Date.parse(certificate.validTo);
    const until = new Date(to).toISOString().slice(0, 10);
    if (now > to) return problem(path, `${name} expired on ${until}`, 'Replace it by a new one.');
    if (now < from) {
      const begins = new Date(from).toISOString().slice(0, 10);
      return problem(
        path,
        `${name} is not valid before ${begins}`,
        "Is this machine's clock right? Else wait, or replace it.",
      );
    }
    const days = Math.floor((to - now) / DAY_MS);
    if (days < SOON_DAYS)
      return warning(path, `${name} expires in ${counted(days, 'day')}, on ${until}`, 'Replace it in time.');
    return ok(path, `${name}, valid until ${until}`);
  });
}

function compare(path: string, certificate: string, key: string): Finding[] {
  try {
    if (new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))) return [];
    return [problem(path, 'is not the key of the certificate beside it', 'Name the two files that belong together.')];
  } catch (error) {
    return [problem(path, `cannot be read: ${(error as Error).message}`, 'A PEM file without a password is needed.')];
  }
}
