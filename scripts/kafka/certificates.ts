import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Makes, in `folder`, what a managed Kafka hands out (ca.pem, service.cert, service.key), the broker's own pair as one PEM
 * store, a pair for a broker of another name, and a client's pair that another authority signed.
 */
export function makeCertificates(folder: string): void {
  if (existsSync(join(folder, 'done'))) return;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  authority(folder, 'ca', '/CN=Vedette development CA');
  leaf(folder, 'ca', 'broker', '/CN=localhost', 'subjectAltName=DNS:localhost,IP:127.0.0.1');
  leaf(folder, 'ca', 'elsewhere', '/CN=elsewhere.example', 'subjectAltName=DNS:elsewhere.example');
  leaf(folder, 'ca', 'service', '/CN=vedette', 'extendedKeyUsage=clientAuth');
  authority(folder, 'stranger-ca', '/CN=Somebody else');
  leaf(folder, 'stranger-ca', 'stranger', '/CN=vedette', 'extendedKeyUsage=clientAuth');
  for (const name of ['broker', 'elsewhere']) {
    const parts = [`${name}.key`, `${name}.cert`, 'ca.pem'].map((file) => readFileSync(join(folder, file), 'utf8'));
    writeFileSync(join(folder, `${name}.pem`), parts.join(''), { mode: 0o600 });
  }
  writeFileSync(join(folder, 'done'), '');
}

function authority(folder: string, name: string, subject: string): void {
  const key = ['-newkey', 'rsa:2048', '-nodes', '-keyout', `${name}.key`];
  openssl(folder, ['req', '-x509', ...key, '-days', '3650', '-subj', subject, '-out', `${name}.pem`]);
}

function leaf(folder: string, authority: string, name: string, subject: string, extension: string): void {
  const key = ['-newkey', 'rsa:2048', '-nodes', '-keyout', `${name}.key`];
  openssl(folder, ['req', ...key, '-subj', subject, '-out', `${name}.csr`]);
  writeFileSync(join(folder, `${name}.ext`), extension);
  const signer = ['-CA', `${authority}.pem`, '-CAkey', `${authority}.key`, '-CAcreateserial'];
  const request = ['-in', `${name}.csr`, '-days', '3650', '-extfile', `${name}.ext`];
  openssl(folder, ['x509', '-req', ...request, ...signer, '-out', `${name}.cert`]);
  chmodSync(join(folder, `${name}.key`), 0o600);
}

function openssl(folder: string, args: string[]): void {
  execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
}
