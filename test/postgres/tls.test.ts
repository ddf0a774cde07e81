import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'tap';
import { freePort } from '../../scripts/free-port.ts';
import { silentLogger as logger } from '../../src/core/logger.ts';
import { findBinaries } from '../../src/postgres/embedded/binaries.ts';
import {
  type Cluster,
  giveTo,
  hasExited,
  initCluster,
  SUPERUSER,
  spawnPostgres,
  stopPostgres,
  untilReady,
} from '../../src/postgres/embedded/cluster.ts';
import { createDatabase, isRetryable } from '../../src/postgres/pool.ts';
import { createDataFolder } from '../helpers/data-folder.ts';
import { databaseDefaults } from '../helpers/defaults.ts';

const hasOpenssl = () => {
  try {
    execFileSync('openssl', ['version']);
    return false;
  } catch {
    return 'openssl is not installed: TLS TO POSTGRESQL IS NOT TESTED';
  }
};

test('TLS with an authority and a client certificate of our own', { skip: hasOpenssl() }, async (t) => {
  const folder = await createDataFolder(t);
  const pem = await makeCertificates(folder);
  const binaries = await findBinaries(logger);
  for (const name of ['server.crt', 'server.key', 'ca.crt']) {
    if (binaries.account) chownSync(join(folder, name), binaries.account.uid, binaries.account.gid);
    chmodSync(join(folder, name), 0o600);
  }
  await giveTo(binaries, folder);
  const cluster: Cluster = {
    binaries,
    folder: join(folder, 'cluster'),
    logFile: join(folder, 'log'),
    password: 'secret',
    settings: {
      ssl: 'on',
      ssl_cert_file: join(folder, 'server.crt'),
      ssl_key_file: join(folder, 'server.key'),
      ssl_ca_file: join(folder, 'ca.crt'),
      fsync: 'off',
    },
  };
  await initCluster(cluster);
  await writeFile(
    join(cluster.folder, 'pg_hba.conf'),
    'hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\n',
  );
  const port = await freePort();
  const child = await spawnPostgres(cluster, port);
  t.teardown(() => stopPostgres(child.pid as number, async () => !hasExited(child), 5_000));
  await untilReady(cluster, child, { timeoutMs: 60_000 });

  const parts = { host: 'localhost', port, database: 'postgres', user: SUPERUSER, password: 'secret', logger };
  const tls = { ca: pem.ca, cert: pem.clientCert, key: pem.clientKey };
  const database = await createDatabase({ ...databaseDefaults, ...parts, host: '127.0.0.1', tls });
  const { rows } = await database.query('SELECT ssl, client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()');
  t.strictSame(rows, [{ ssl: true, client_dn: '/CN=vedette-client' }]);
  const heard = new Promise(
    (resolve) => void database.listen('news', resolve).then(() => database.notify('news', 'x')),
  );
  t.equal(await heard, 'x', 'the listening connection uses TLS as well');
  await database.close();

  const url = `postgresql://${SUPERUSER}:secret@127.0.0.1:${port}/postgres`;
  for (const suffix of ['', '?sslmode=disable', '?sslmode=verify-full&application_name=x']) {
    const byUrl = await createDatabase({ ...databaseDefaults, connectionString: url + suffix, tls, logger });
    await byUrl.close();
  }
  await t.rejects(
    createDatabase({ ...databaseDefaults, ...parts, host: '127.0.0.1' }),
    { cause: { code: '28000' } },
    'no TLS at all',
  );
  const withoutCertificate = createDatabase({ ...databaseDefaults, ...parts, host: '127.0.0.1', tls: { ca: pem.ca } });
  await t.rejects(withoutCertificate, /certificate/, 'no client certificate');
  const unknownAuthority = createDatabase({
    ...databaseDefaults,
    ...parts,
    host: '127.0.0.1',
    tls: { cert: pem.clientCert, key: pem.clientKey },
  });
  const distrust = await unknownAuthority.then(
    () => null,
    (error: Error) => error,
  );
  t.match(distrust, { code: 'VED_DATABASE_UNAVAILABLE', cause: { code: /CERT|SIGNATURE/ } });
  t.notOk(isRetryable(distrust?.cause), 'waiting does not help');
  const trusting = await createDatabase({
    ...databaseDefaults,
    ...parts,
    host: '127.0.0.1',
    tls: { ...tls, ca: '', rejectUnauthorized: false },
  });
  await trusting.close();
  await t.rejects(
    createDatabase({ ...databaseDefaults, ...parts, tls }),
    /localhost|altnames/i,
    'the name must match the certificate',
  );
});

async function makeCertificates(folder: string) {
  const openssl = (...parameters: string[]) => execFileSync('openssl', parameters, { cwd: folder, stdio: 'pipe' });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl(
    'req',
    '-x509',
    ...newKey,
    '-keyout',
    'ca.key',
    '-out',
    'ca.crt',
    '-subj',
    '/CN=test authority',
    '-days',
    '2',
  );
  await writeFile(join(folder, 'san'), 'subjectAltName=IP:127.0.0.1\n');
  for (const [name, subject, ...extensions] of [
    ['server', '/CN=127.0.0.1', '-extfile', 'san'],
    ['client', '/CN=vedette-client'],
  ]) {
    openssl('req', ...newKey, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', subject);
    const sign = ['-in', `${name}.csr`, '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-out', `${name}.crt`];
    openssl('x509', '-req', ...sign, '-days', '2', ...extensions);
  }
  const read = (name: string) => readFile(join(folder, name), 'utf8');
  return { ca: await read('ca.crt'), clientCert: await read('client.crt'), clientKey: await read('client.key') };
}
