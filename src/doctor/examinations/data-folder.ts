import { constants, existsSync } from 'node:fs';
import { access, readFile, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { embeddedVersion } from '../../postgres/embedded/binaries.ts';
import { dataFolderHolder } from '../../postgres/embedded/folder-lock.ts';
import { type Examination, type Finding, ok, problem, warning } from '../examination.ts';

/** Examines the folder of the embedded PostgreSQL; no findings if PostgreSQL is elsewhere. */
export const dataFolder: Examination = {
  name: 'data_dir',
  settings: ['database', 'data_dir'],
  async examine({ settings: { databaseServer, dataDir } }) {
    if (databaseServer) return [];
    return [await judgeAccess(dataDir), ...(await judgeHolder(dataDir)), ...(await judgeVersion(dataDir))];
  },
};

async function judgeAccess(dataDir: string): Promise<Finding> {
  const existing = nearestExisting(dataDir);
  const advice = 'Choose another folder (--data-dir, VEDETTE_DATA_DIR), or let this user write there.';
  if (!(await stat(existing)).isDirectory()) return problem('data_dir', `${existing} is not a folder`, advice);
  try {
    await access(existing, constants.W_OK | constants.X_OK);
  } catch (error) {
    return problem('data_dir', `${existing} cannot be written to: ${(error as NodeJS.ErrnoException).code}`, advice);
  }
  return ok('data_dir', existing === dataDir ? dataDir : `${dataDir} is made at the first start`);
}

async function judgeHolder(dataDir: string): Promise<Finding[]> {
  const held = await dataFolderHolder(dataDir);
  if (!held) return [];
  const { pid, host, since } = held.holder;
  const who = `process ${pid}${host === hostname() ? '' : ` on ${host}`}, since ${since}`;
  if (held.isAlive) return [ok('data_dir.owner', `in use by ${who}; a second one joins it with --join`)];
  if (held.isAlive === null) {
    const advice = 'PostgreSQL may run on one host at a time: end that one, or take another folder (--data-dir).';
    return [warning('data_dir.owner', `in use by ${who}, whose life cannot be seen from here`, advice)];
  }
  const advice = 'It was killed or lost power. The next start takes the folder over; nothing has to be removed.';
  return [warning('data_dir.owner', `left locked by ${who}, which is gone`, advice)];
}

async function judgeVersion(dataDir: string): Promise<Finding[]> {
  const made = (await readFile(path.join(dataDir, 'postgres/PG_VERSION'), 'utf8').catch(() => '')).trim();
  const ours = await embeddedVersion().catch((error: Error) => error);
  if (ours instanceof Error)
    return [problem('data_dir.postgres', ours.message, 'Run npm install again, or set DATABASE_URL.')];
  const major = ours.split('.')[0] as string;
  if (made === '' || made === major) return [];
  const found = `the database in ${dataDir} was made by PostgreSQL ${made}, this Vedette brings ${major}`;
  return [
    problem('data_dir.postgres', found, 'Export it (pg_dump) with the former version, or choose another folder.'),
  ];
}

/** Returns the folder itself, or its nearest ancestor that exists. */
export function nearestExisting(folder: string): string {
  return existsSync(folder) || path.dirname(folder) === folder ? folder : nearestExisting(path.dirname(folder));
}
