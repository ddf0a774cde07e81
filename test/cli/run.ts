import { execFileSync, spawn } from 'node:child_process';
import path from 'node:path';
import type { Test } from 'tap';
import { runCli } from '../../src/cli/program.ts';

const root = path.resolve(import.meta.dirname, '../..');

let isBuilt = false;

// The command as people run it, built from what is in src now.
function buildOnce(): void {
  if (!isBuilt) execFileSync(process.execPath, [path.join(root, 'scripts/build.mjs')], { stdio: 'ignore' });
  isBuilt = true;
}

export interface RunOptions {
  /** Beside PATH and HOME; nothing else of the test's own environment is passed on. */
  env?: Record<string, string>;
  /** Default: an empty folder. */
  cwd?: string;
}

export interface Run {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs `vedette` as a real process. It is ended with the test at the latest. */
export function spawnVedette(t: Test, args: readonly string[], { env = {}, cwd }: RunOptions = {}) {
  const { PATH = '', HOME = '' } = process.env;
  buildOnce();
  const child = spawn(process.execPath, [path.join(root, 'bin/vedette.js'), ...args], {
    cwd: cwd ?? t.testdir({}),
    env: { PATH, HOME, ...env },
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

/** Runs `vedette` within the test's own process, which is a second faster. */
export async function vedette(t: Test, args: readonly string[], { env = {}, cwd }: RunOptions = {}): Promise<Run> {
  let [stdout, stderr] = ['', ''];
  const code = await runCli(args, {
    env,
    cwd: cwd ?? t.testdir({}),
    onForce: () => {},
    stdout: {
      write: (text: string | Uint8Array) => {
        stdout += text;
        return true;
      },
    },
    stderr: {
      write: (text: string | Uint8Array) => {
        stderr += text;
        return true;
      },
    },
  });
  return { code, stdout, stderr };
}
