import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  access,
  chmod,
  chown,
  mkdir,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Logger } from '../../core/logger.ts';
import { VedetteError } from '../../errors.ts';
import type { Account } from './account.ts';
import type { Binaries } from './binaries.ts';
import { generatePassword } from './cluster.ts';

const run = promisify(execFile);

/** Where clusters of root go when its own data folder cannot be entered by the account PostgreSQL runs as. */
const ELSEWHERE = '/var/lib/vedette';

/**
 * The real path of `<dataDir>/postgres`. As root, when the account PostgreSQL runs as cannot enter the data folder (it
 * lies under /root, say), the cluster lies elsewhere and `<dataDir>/postgres` is a link to it.
 */
export async function placeCluster(dataDir: string, account: Account | null, logger: Logger): Promise<string> {
  const wanted = join(dataDir, 'postgres');
  const known = await realpath(wanted).catch(() => null);
  if (known) {
    if (await canEnter(join(known, '..'), account)) return known;
    throw new VedetteError(
      'VED_EMBEDDED_POSTGRES',
      `PostgreSQL runs as another user than root, and that user cannot enter ${known}: move the data folder`,
    );
  }
  const parent = await realpath(dataDir);
  if ((await canEnter(parent, account)) || (await letIn(parent, account))) return join(parent, 'postgres');
  const elsewhere = join(ELSEWHERE, `cluster-${randomBytes(6).toString('hex')}`);
  await mkdir(elsewhere, { recursive: true, mode: 0o755 });
  if (!(await canEnter(elsewhere, account))) {
    throw new VedetteError(
      'VED_EMBEDDED_POSTGRES',
      `PostgreSQL runs as another user than root, and that user can enter neither ${parent} nor ${ELSEWHERE}: choose another data folder`,
    );
  }
  await rm(wanted, { force: true }); // A link to a folder that is gone.
  await symlink(join(elsewhere, 'postgres'), wanted);
  logger.warn(
    { dataDir, cluster: elsewhere },
    'the database lies outside the data folder, which the user of PostgreSQL cannot enter',
  );
  return join(elsewhere, 'postgres');
}

/** Whether `folder` holds a cluster of our version. Anything else there is moved aside, never removed. */
export async function inspectCluster(folder: string, { major }: Binaries, logger: Logger): Promise<boolean> {
  const names = await readdir(folder).catch(() => []);
  if (names.length === 0) {
    await rm(folder, { recursive: true, force: true });
    return false;
  }
  const version = (await readFile(join(folder, 'PG_VERSION'), 'utf8').catch(() => '')).trim();
  const control = await access(join(folder, 'global/pg_control')).then(
    () => true,
    () => false,
  );
  if (!version || !control) {
    const aside = `${folder}.broken-${Date.now()}`;
    await rename(folder, aside);
    logger.warn({ folder, aside }, 'not a whole database: moved aside, a new one is made');
    return false;
  }
  if (version === major) return true;
  throw new VedetteError(
    'VED_EMBEDDED_POSTGRES',
    `${folder} was made by PostgreSQL ${version}, this Vedette has ${major}: export it with the former version, or choose another data folder`,
  );
}

/** For root the server runs as the owner of an existing cluster, because PostgreSQL refuses any other user. */
export async function accountOf(folder: string): Promise<Account | null> {
  if (process.getuid?.() !== 0) return null;
  const owner = await stat(folder).catch(() => null);
  return owner && owner.uid !== 0 ? { uid: owner.uid, gid: owner.gid } : null;
}

/** Generated once and kept beside the cluster, readable by its owner only. */
export async function loadPassword(dataDir: string, { create }: { create: boolean }): Promise<string> {
  const path = join(dataDir, 'postgres-password');
  const known = (await readFile(path, 'utf8').catch(() => '')).trim();
  if (known) return known;
  if (!create) {
    throw new VedetteError('VED_EMBEDDED_POSTGRES', `${path} is missing or empty: it holds the database's password`);
  }
  const password = generatePassword();
  await writeFile(`${path}.new`, `${password}\n`, { mode: 0o600 });
  await rename(`${path}.new`, path);
  return password;
}

/** When only the data folder itself is closed, and only root's group has a say in it, PostgreSQL's group may pass through. */
async function letIn(folder: string, account: Account | null): Promise<boolean> {
  const { uid, gid, mode } = await stat(folder);
  if (!account || uid !== 0 || gid !== 0 || !(await canEnter(dirname(folder), account))) return false;
  await chown(folder, uid, account.gid);
  await chmod(folder, (mode & 0o7707) | 0o010);
  return canEnter(folder, account);
}

async function canEnter(folder: string, account: Account | null): Promise<boolean> {
  if (!account) return true;
  try {
    await run('/bin/sh', ['-c', 'cd -- "$1"', 'sh', folder], { cwd: '/', uid: account.uid, gid: account.gid });
    return true;
  } catch {
    return false;
  }
}
