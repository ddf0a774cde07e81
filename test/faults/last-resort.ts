import type { ChildProcess } from 'node:child_process';
import { rmSync } from 'node:fs';

const children = new Map<ChildProcess, NodeJS.Signals>();
const folders = new Set<string>();

/**
 * When this process ends without having ended `child` (Ctrl-C, a crash), `child` gets `signal`. Answers how to take that
 * back.
 */
export function endWithThisProcess(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): () => void {
  children.set(child, signal);
  return () => children.delete(child);
}

/** When this process is told to end, the folder goes as well. */
export function removeWithThisProcess(folder: string): () => void {
  folders.add(folder);
  return () => folders.delete(folder);
}

process.on('exit', () => {
  for (const [child, signal] of children) {
    // A paused process takes no other signal before this one.
    child.kill('SIGCONT');
    child.kill(signal);
  }
});
for (const [name, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.once(name, () => {
    process.once('exit', () => {
      for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    });
    process.exit(code);
  });
}
