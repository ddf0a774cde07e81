import { X509Certificate } from 'node:crypto';
import { counted } from '../../core/plural.ts';
import { certificateBlocks } from '../../settings/pem.ts';
import { type Examination, type Finding, ok, problem, warning } from '../examination.ts';

const DAY_MS = 86_400_000;
const SOON_DAYS = 30;

/** Examines when the certificates of the settings expire. The settings refuse those that cannot be used. */
export const certificates: Examination = {
  name: 'certificates',
  settings: ['kafka.tls', 'database.tls'],
  async examine({ settings, machine }) {
    const now = machine.wallMs();
    return (['kafka', 'database'] as const).flatMap((group) => {
      const { ca, certificate } = settings[group].tls;
      return [
        ...(ca === null ? [] : judge(`${group}.tls.ca`, ca, now)),
        ...(certificate === null ? [] : judge(`${group}.tls.certificate`, certificate, now)),
      ];
    });
  },
};

function judge(path: string, pem: string, now: number): Finding[] {
  const parts = certificateBlocks(pem);
  if (parts.length === 0) return [problem(path, 'no certificate in it', 'Name the file that holds the certificate.')];
  return parts.map((part) => {
    const certificate = new X509Certificate(part);
    const name = certificate.subject.replaceAll('\n', ', ');
    const from = Date.parse(certificate.validFrom);
    const to = Date.parse(certificate.validTo);
    if (Number.isNaN(from) || Number.isNaN(to))
      return problem(path, `${name} has dates that cannot be read`, 'Replace it by a new one.');
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
