import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';

export interface Program {
  child: ChildProcess;
  pid: number;
  /** The next line of its output; null when it has ended. */
  line(): Promise<string | null>;
  /** Kills it and waits until it is gone. */
  kill(signal?: NodeJS.Signals): Promise<void>;
}

/** Runs a TypeScript program (path relative to test/) as a process of its own, killed at teardown. */
export function startProgram(t: Pick<Test, 'teardown'>, path: string, parameters: readonly string[]): Program {
  const file = fileURLToPath(new URL(`../${path}`, import.meta.url));
  const child = spawn(process.execPath, ['--import=tsx', file, ...parameters], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = once(child, 'exit');
  const kill = async (signal: NodeJS.Signals = 'SIGKILL') => {
    child.kill(signal);
    await ended;
  };
  t.teardown(() => kill());
  return {
    child,
    pid: child.pid as number,
    line: async () => {
      const { value, done } = await lines.next();
      return done ? null : value;
    },
    kill,
  };
}
