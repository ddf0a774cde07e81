import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Logger } from '../../core/logger.ts';
import { VedetteError } from '../../errors.ts';

const run = promisify(execFile);

/** A user of this machine. */
export interface Account {
  uid: number;
  gid: number;
}

const NAME = 'postgres';

/** PostgreSQL refuses to run as root: the user postgres, made when it is missing, or null when we are not root. */
export async function findPostgresAccount(logger: Logger): Promise<Account | null> {
  if (process.getuid?.() !== 0) return null;
  const known = await lookUp();
  if (known) return known;
  try {
    await run('useradd', ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', NAME]);
    logger.info({ user: NAME }, 'system user created, because PostgreSQL refuses to run as root');
  } catch (error) {
    const made = await lookUp(); // Another process may have been faster.
    if (made) return made;
    throw new VedetteError(
      'VED_EMBEDDED_POSTGRES',
      `PostgreSQL refuses to run as root, and the user ${NAME} could not be made: make it, or start as another user`,
      { cause: error },
    );
  }
  return lookUp();
}

async function lookUp(): Promise<Account | null> {
  try {
    const [uid, gid] = await Promise.all([run('id', ['-u', NAME]), run('id', ['-g', NAME])]);
    return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  } catch {
    return null; // `id` fails when there is no such user.
  }
}
