import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';

/** A certificate for `names` with its chain, made by openssl; `stray` expires tomorrow and belongs to nothing. */
export async function createChain(
  t: Pick<Test, 'testdir'>,
  {
    leafDays,
    middleDays,
    names = 'IP:127.0.0.1,DNS:localhost',
    subject = 'leaf',
  }: { leafDays: number; middleDays: number; names?: string; subject?: string },
) {
  const folder = t.testdir();
  const at = (name: string) => join(folder, name);
  const openssl = (...args: string[]) =>
    execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const root = (name: string, days: number) =>
    openssl(
      'req',
      '-x509',
      ...ec,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.pem`,
      '-subj',
      `/CN=${name}`,
      '-days',
      `${days}`,
    );
  const issue = (name: string, issuer: string, days: number, extension: string, subject = name) => {
    openssl('req', ...ec, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${subject}`);
    writeFileSync(at(`${name}.ext`), extension);
    openssl(
      ...['x509', '-req', '-in', `${name}.csr`, '-CA', `${issuer}.pem`, '-CAkey', `${issuer}.key`, '-CAcreateserial'],
      ...['-out', `${name}.pem`, '-days', `${days}`, '-extfile', `${name}.ext`],
    );
  };
  root('anchor', 3650);
  root('stray', 1);
  issue('middle', 'anchor', middleDays, 'basicConstraints=critical,CA:true');
  issue('leaf', 'middle', leafDays, names === '' ? 'keyUsage=digitalSignature' : `subjectAltName=${names}`, subject);
  const [anchor, stray, middle, leaf] = ['anchor', 'stray', 'middle', 'leaf'].map((name) =>
    readFileSync(at(`${name}.pem`), 'utf8'),
  );
  return { anchor, stray, middle, leaf, key: readFileSync(at('leaf.key'), 'utf8') };
}
