import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Test } from 'tap';

const root = path.resolve(import.meta.dirname, '../..');

/** A small program in the place of Vedette, with the real scripts around it. */
const PROGRAM = `
import { onInterrupt } from './cli/terminal/interrupt.ts';
import { answer } from './answer.ts';

const [command, ...args]: string[] = process.argv.slice(2);
console.log(JSON.stringify({ answer, command, args, pid: process.pid }));
if (args[0] === 'exit') process.exit(Number(args[1]));
if (args[0] === 'wait') {
  const timer = setInterval(() => undefined, 1000);
  let stops = 0;
  onInterrupt({
    onStop: (signal) => {
      stops++;
      setTimeout(() => {
        console.log(JSON.stringify({ signal, stops }));
        clearInterval(timer);
        process.exitCode = 7;
        process.exit();
      }, 600);
    },
    onForce: () => {
      console.log('forced');
      process.exit(130);
    },
  });
}
`;

interface Run {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** A checkout of its own, removed at teardown. */
export function createProject(t: Test, { installed = true } = {}) {
  // Outside of the repository, whose own node_modules would be found from within it.
  const folder = mkdtempSync(path.join(tmpdir(), 'vedette-project-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(path.join(folder, 'src/cli/terminal'), { recursive: true });
  writeFileSync(path.join(folder, 'src/cli.ts'), PROGRAM);
  const threads = path.join(folder, 'src/scheduler/checks/threads');
  mkdirSync(threads, { recursive: true });
  writeFileSync(path.join(threads, 'check-program.ts'), '');
  writeFileSync(path.join(folder, 'src/answer.ts'), 'export const answer: number = 42;\n');
  for (const name of ['scripts', 'bin', 'package.json', 'package-lock.json', 'tsconfig.json']) {
    cpSync(path.join(root, name), path.join(folder, name), { recursive: true });
  }
  cpSync(path.join(root, 'src/cli/terminal/interrupt.ts'), path.join(folder, 'src/cli/terminal/interrupt.ts'));
  if (installed) {
    // Only what building needs; each package is a link, so that the folder itself is the project's own.
    mkdirSync(path.join(folder, 'node_modules'));
    symlinkSync(path.join(root, 'node_modules/esbuild'), path.join(folder, 'node_modules/esbuild'));
    const { '': _, ...packages } = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')).packages;
    writeFileSync(path.join(folder, 'node_modules/.package-lock.json'), JSON.stringify({ packages }));
  }
  const at = (name: string) => path.join(folder, name);
  return {
    folder,
    at,
    read: (name: string) => readFileSync(at(name), 'utf8'),
    write: (name: string, text: string) => writeFileSync(at(name), text),
    remove: (name: string) => rmSync(at(name)),
    /** Runs node with the arguments, in the project. */
    node: (...args: string[]) => spawnProgram(t, folder, process.execPath, args).finished,
    spawn: (command: string, ...args: string[]) => spawnProgram(t, folder, command, args),
  };
}

function spawnProgram(t: Test, cwd: string, command: string, args: string[]) {
  const { npm_execpath: _, ...env } = process.env;
  // A process group of its own, as a shell gives each command: Ctrl-C goes to all of it.
  const child = spawn(command, args, { cwd, env: { ...env, NODE_OPTIONS: '' }, detached: true });
  let [stdout, stderr] = ['', ''];
  let ended = false;
  const finished = new Promise<Run>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      ended = true;
      resolve({ code, signal, stdout, stderr });
    });
  });
  t.teardown(() => {
    if (!ended && child.pid) process.kill(-child.pid, 'SIGKILL');
  });
  return {
    pid: child.pid as number,
    finished,
    /** Resolves when the text has been printed. */
    printed: (text: string) =>
      new Promise<void>((resolve, reject) => {
        const look = () => stdout.includes(text) && resolve();
        child.stdout.on('data', look);
        child.on('close', () => reject(new Error(`ended without printing ${text}: ${stdout} ${stderr}`)));
        look();
      }),
  };
}
