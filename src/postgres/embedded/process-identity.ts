import { execFile } from 'node:child_process';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Returns when the process began, so that a reused process id is not mistaken for it; null when it is gone. */
export async function startOf(pid: number): Promise<string | null> {
  if (!isAlive(pid)) return null;
  if (process.platform === 'win32') return 'alive';
  try {
    if (process.platform !== 'linux') return (await run('ps', ['-o', 'lstart=', '-p', String(pid)])).stdout.trim();
    const [stat, boot] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'),
      readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
    ]);
    // Counted from behind the name, which may hold anything, also spaces and brackets.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? null : `${boot.trim()} ${fields[19]}`;
  } catch {
    return null; // Gone since it was looked at.
  }
}

/** Whether `pid` is a server of the cluster in `folder`: PostgreSQL's processes have it as their working directory. */
export async function isServerOf(pid: number, folder: string): Promise<boolean> {
  if (!isAlive(pid)) return false;
  if (process.platform === 'win32') return true;
  try {
    if (process.platform === 'linux') return (await readlink(`/proc/${pid}/cwd`)) === folder;
    return (await run('ps', ['-o', 'args=', '-p', String(pid)])).stdout.includes(folder);
  } catch {
    return false; // Gone since it was looked at, or somebody else's.
  }
}

/** Every process of a server of the cluster, orphans of a killed one included. Only Linux can tell; elsewhere none. */
export async function serversOf(folder: string): Promise<number[]> {
  if (process.platform !== 'linux') return [];
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const ours = await Promise.all(pids.map((pid) => isServerOf(pid, folder)));
  return pids.filter((_, index) => ours[index]);
}
