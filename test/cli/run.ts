import { spawn } from 'node:child_process';
import path from 'node:path';
import type { Test } from 'tap';

const root = path.resolve(import.meta.dirname, '../..');

export interface RunOptions {
  /** Beside PATH and HOME; nothing else of the test's own environment is passed on. */
  env?: Record<string, string>;
  /** Default: an empty folder. */
  cwd?: string;
  input?: string;
}

export interface Run {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs `vedette` as a real process. It is ended with the test at the latest. */
export function spawnVedette(t: Test, args: readonly string[], { env = {}, cwd }: RunOptions = {}) {
  const { PATH = '', HOME = '' } = process.env;
  const child = spawn(process.execPath, ['--import', 'tsx', path.join(root, 'src/cli.ts'), ...args], {
    cwd: cwd ?? t.testdir({}),
    env: {
      PATH,
      HOME,
      NODE_PATH: path.join(root, 'node_modules'),
      TSX_TSCONFIG_PATH: path.join(root, 'tsconfig.json'),
      ...env,
    },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  const finished = new Promise<Run>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
  t.teardown(() => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  });
  return {
    child,
    finished,
    /** Resolves with what was printed when that matches. */
    printed: (pattern: RegExp) =>
      new Promise<string>((resolve, reject) => {
        const look = () => pattern.test(stdout) && resolve(stdout);
        child.stdout.on('data', look);
        child.on('close', () => reject(new Error(`ended without printing ${pattern}: ${stdout}\n${stderr}`)));
        look();
      }),
  };
}

export const vedette = (t: Test, args: readonly string[], options: RunOptions = {}): Promise<Run> =>
  spawnVedette(t, args, options).finished;
