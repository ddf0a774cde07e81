import type { ChildProcess } from 'node:child_process';
import { rmSync } from 'node:fs';

const children = new Map<ChildProcess, NodeJS.Signals>();
const folders = new Set<string>();
let isArmed = false;

/**
 * When this process ends without having ended `child` (Ctrl-C, a crash), `child` gets `signal`. Answers how to take that
 * back.
 */
export function endWithThisProcess(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): () => void {
  if (!isArmed) process.on('exit', endAll);
  isArmed = true;
  children.set(child, signal);
  return () => children.delete(child);
}

/** From now on this process ends when it is told to, with all its children, and removes the folder. */
export function obeySignals(folder: string): () => void {
  if (folders.size === 0) {
    for (const [name, code] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      process.once(name, () => {
        process.once('exit', removeAll);
        process.exit(code);
      });
    }
  }
  folders.add(folder);
  return () => folders.delete(folder);
}

function endAll(): void {
  for (const [child, signal] of children) {
    // A paused process takes no other signal before this one.
    child.kill('SIGCONT');
    child.kill(signal);
  }
}

function removeAll(): void {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
}
