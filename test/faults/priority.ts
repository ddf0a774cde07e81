import type { ChildProcess } from 'node:child_process';
import { setPriority } from 'node:os';

/** Only root may go below 0; without it the run is slower, and right all the same. */
export function prioritize(child: Pick<ChildProcess, 'pid'>, priority: number): void {
  try {
    if (child.pid !== undefined) setPriority(child.pid, priority);
  } catch (error) {
    if (!['EACCES', 'EPERM', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}
