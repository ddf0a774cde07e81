import { chownSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Test } from 'tap';
import { freePort } from '../../../scripts/free-port.ts';
import { silentLogger as logger } from '../../../src/core/logger.ts';
import { findBinaries } from '../../../src/postgres/embedded/binaries.ts';
import {
  type Cluster,
  giveTo,
  hasExited,
  initCluster,
  SUPERUSER,
  spawnPostgres,
  stopPostgres,
  untilReady,
  withClient,
} from '../../../src/postgres/embedded/cluster.ts';
import { createDataFolder } from '../../helpers/data-folder.ts';
import { pem } from '../support.ts';

export const PASSWORD = 'öpen:sesame/';

/** Users that log in by the method that is their name, by TLS only the last one. */
const HBA = `
local   all  all               scram-sha-256
hostssl all  tls  127.0.0.1/32 scram-sha-256
host    all  trust 127.0.0.1/32 trust
host    all  md5  127.0.0.1/32 md5
host    all  cleartext 127.0.0.1/32 password
host    all  scram,${SUPERUSER} 127.0.0.1/32 scram-sha-256
`;

/** A PostgreSQL of the test's own, with TLS. */
export async function startPostgres(t: Test): Promise<{ port: number }> {
  const folder = await createDataFolder(t);
  const binaries = await findBinaries(logger);
  const keyFile = join(folder, 'server.pem');
  await writeFile(keyFile, pem('server'), { mode: 0o600 });
  if (binaries.account) chownSync(keyFile, binaries.account.uid, binaries.account.gid);
  await giveTo(binaries, folder);
  const cluster: Cluster = {
    binaries,
    folder: join(folder, 'cluster'),
    logFile: join(folder, 'log'),
    password: 'secret',
    settings: { ssl: 'on', ssl_cert_file: keyFile, ssl_key_file: keyFile, fsync: 'off' },
  };
  await initCluster(cluster);
  await writeFile(join(cluster.folder, 'pg_hba.conf'), HBA);
  const port = await freePort();
  const child = await spawnPostgres(cluster, port);
  t.teardown(() => stopPostgres(child.pid as number, async () => !hasExited(child), 5_000));
  await untilReady(cluster, child, { timeoutMs: 60_000 });
  await withClient(cluster, port, 'postgres', async (client) => {
    for (const name of ['tls', 'trust', 'md5', 'cleartext', 'scram']) {
      await client.query(`SET password_encryption = '${name === 'md5' ? 'md5' : 'scram-sha-256'}'`);
      await client.query(`CREATE ROLE ${name} LOGIN PASSWORD '${PASSWORD}'`);
    }
    await client.query('CREATE TABLE orders (id int)');
    await client.query('GRANT ALL ON orders TO scram');
  });
  return { port };
}
