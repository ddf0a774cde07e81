import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';

/**
 * An empty folder that goes away at teardown. It lies where the account PostgreSQL runs as can enter, which a checkout
 * need not.
 */
export async function createDataFolder(t: Pick<Test, 'teardown'>, parent = tmpdir(), mode = 0o755): Promise<string> {
  const folder = await mkdtemp(join(parent, 'vedette-data-'));
  await chmod(folder, mode);
  t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}
