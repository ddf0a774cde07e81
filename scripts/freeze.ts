import { existsSync, readdirSync, readFileSync } from 'node:fs';

const LONGEST_MS = 2_000;

/**
 * Stops a process with SIGSTOP, and returns when none of its threads runs any more: the signal alone returns while threads
 * on other cores still answer. Where there is no /proc it returns with the signal.
 */
export function freeze(pid: number): void {
  process.kill(pid, 'SIGSTOP');
  const threads = `/proc/${pid}/task`;
  const end = performance.now() + LONGEST_MS;
  while (existsSync(threads) && readdirSync(threads).some((thread) => isRunning(`${threads}/${thread}/stat`)))
    if (performance.now() > end) throw new Error(`process ${pid} still runs ${LONGEST_MS / 1000} s after SIGSTOP`);
}

/** By the third field of proc_pid_stat(5), behind the name in brackets: T is stopped, t traced, Z and X ended. */
function isRunning(file: string): boolean {
  try {
    const stat = readFileSync(file, 'latin1');
    return !'TtZX'.includes(stat.charAt(stat.lastIndexOf(')') + 2));
  } catch {
    return false; // The thread has ended.
  }
}
