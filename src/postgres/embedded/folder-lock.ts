import { randomBytes } from 'node:crypto';
import { link, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { VedetteError } from '../../errors.ts';
import { startOf } from './process-identity.ts';

export interface Holder {
  pid: number;
  host: string;
  /** See startOf(): a process number is given out again. */
  start: string;
  since: string;
}

/** The holder touches its lock this often, for processes on other hosts (or in other containers) that share the folder. */
const TOUCH_MS = 5_000;
const UNTOUCHED_MS = 3 * TOUCH_MS;

/**
 * Locks the data folder; the returned function releases it. A lock whose holder is gone is taken over. Throws
 * VED_DATA_DIR_IN_USE when its holder lives.
 */
export async function lockDataFolder(dataDir: string): Promise<() => Promise<void>> {
  const path = join(dataDir, 'vedette.lock');
  const start = (await startOf(process.pid)) ?? 'unknown';
  const ours: Holder = { pid: process.pid, host: hostname(), start, since: new Date().toISOString() };
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  await writeFile(draft, JSON.stringify(ours), { mode: 0o644 });
  try {
    while (!(await tryLink(draft, path))) await clearStale(path, dataDir);
  } finally {
    await rm(draft, { force: true });
  }
  const touching = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => undefined); // Somebody removed the folder: nothing is left to protect.
  }, TOUCH_MS);
  touching.unref();
  return async () => {
    clearInterval(touching);
    if ((await readHolder(path))?.start === start) await rm(path, { force: true });
  };
}

/** The holder of the data folder, and whether it lives (null: it runs on another host, and touched its lock lately). */
export async function dataFolderHolder(dataDir: string): Promise<{ holder: Holder; isAlive: boolean | null } | null> {
  const path = join(dataDir, 'vedette.lock');
  const holder = await readHolder(path);
  if (!holder) return null;
  if (holder.host === hostname()) return { holder, isAlive: (await startOf(holder.pid)) === holder.start };
  return { holder, isAlive: (await ageOf(path)) < UNTOUCHED_MS ? null : false };
}

/** link() fails when the name exists, and makes it appear with its contents. */
async function tryLink(draft: string, path: string): Promise<boolean> {
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Removes the lock when its holder is gone. Only one process at a time may judge, or it might remove a fresh one. */
async function clearStale(path: string, dataDir: string): Promise<void> {
  const judging = `${path}.judging`;
  try {
    await writeFile(judging, '', { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    // Left by a judge that was killed; judging takes milliseconds, or up to UNTOUCHED_MS for another host's lock.
    if ((await ageOf(judging)) > 2 * UNTOUCHED_MS) await rm(judging, { force: true });
    return delay(50);
  }
  try {
    const holder = await readHolder(path);
    if (await isHeld(path, holder)) throw inUse(dataDir, holder as Holder);
    await rm(path, { force: true });
  } finally {
    await rm(judging, { force: true });
  }
}

async function isHeld(path: string, holder: Holder | null): Promise<boolean> {
  if (!holder) return false;
  if (holder.host === hostname()) return (await startOf(holder.pid)) === holder.start;
  // Its processes cannot be seen from here: wait until it would have touched the lock.
  while ((await ageOf(path)) < UNTOUCHED_MS) {
    const before = await ageOf(path);
    await delay(500);
    if ((await ageOf(path)) < before) return true;
  }
  return false;
}

function inUse(dataDir: string, { pid, host, since }: Holder): VedetteError {
  const where = host === hostname() ? '' : ` on ${host}`;
  return new VedetteError(
    'VED_DATA_DIR_IN_USE',
    `The data folder ${dataDir} is in use by process ${pid}${where}, which runs since ${since}: ` +
      'stop that one, choose another data folder, or join it as a further role',
  );
}

async function readHolder(path: string): Promise<Holder | null> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Holder;
  } catch {
    return null; // Gone, or not written by us.
  }
}

async function ageOf(path: string): Promise<number> {
  const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: 0 }));
  return Date.now() - mtimeMs;
}
