import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { endWithThisProcess } from './last-resort.ts';
import { prioritize } from './priority.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

export interface VedetteOptions {
  name: string;
  /** Flags after `serve`. */
  flags?: readonly string[];
  env: Readonly<Record<string, string>>;
  /** What is run instead of this checkout's `dist`, where, and as whom. */
  command?: readonly [program: string, ...args: string[]];
  cwd?: string;
  account?: { uid: number; gid: number } | undefined;
  /** When it ends by itself with an error it is started again, as a service manager does. */
  supervised?: boolean;
  /** Of the operating system, where it may be set: below 0 comes first. */
  priority?: number;
  /** Its output goes here. */
  logFile: string;
}

/** One Vedette process under test: it may be killed, paused and started again, always by its own id. */
export interface VedetteProcess {
  readonly name: string;
  readonly port: number;
  readonly pid: number | undefined;
  start(): Promise<void>;
  kill(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void;
  /** Waits until a process that was killed is gone. */
  gone(): Promise<void>;
  /** SIGTERM; answers the exit code. Throws when it takes longer than `limitMs`. */
  stop(limitMs?: number): Promise<number | null>;
  readonly running: boolean;
  /** How often it ended by itself, with an error. */
  readonly failures: number;
}

export function createVedette(options: VedetteOptions): VedetteProcess {
  const { command = [process.execPath, 'dist/cli.js', 'serve'], flags = [] } = options;
  const port = Number(options.env.PORT);
  let child: ChildProcess | undefined;
  let failures = 0;
  let isWanted = false;
  let restart: NodeJS.Timeout | undefined;
  const running = () => child !== undefined && child.exitCode === null && child.signalCode === null;
  const launch = () => {
    // Started by hand meanwhile: a second process of this name would belong to nobody.
    clearTimeout(restart);
    const log = createWriteStream(options.logFile, { flags: 'a' });
    const [program, ...args] = command;
    child = spawn(program, [...args, ...flags], {
      cwd: options.cwd ?? root,
      ...options.account,
      env: { PATH: process.env.PATH, HOME: process.env.HOME, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout?.pipe(log, { end: false });
    child.stderr?.pipe(log, { end: false });
    if (options.priority !== undefined) prioritize(child, options.priority);
    const release = endWithThisProcess(child);
    child.once('exit', (code) => {
      release();
      if (!isWanted || code === 0) return;
      failures++;
      if (options.supervised) restart = setTimeout(() => isWanted && launch(), 1_000);
    });
  };
  return {
    name: options.name,
    port,
    get pid() {
      return child?.pid;
    },
    get running() {
      return running();
    },
    get failures() {
      return failures;
    },
    async start() {
      isWanted = true;
      launch();
    },
    kill(signal) {
      if (signal === 'SIGKILL') isWanted = false;
      child?.kill(signal);
    },
    async gone() {
      if (running()) await once(child as ChildProcess, 'exit');
    },
    async stop(limitMs = 15_000) {
      isWanted = false;
      clearTimeout(restart);
      if (!child || !running()) return child?.exitCode ?? null;
      const exited = once(child, 'exit');
      child.kill('SIGCONT');
      child.kill('SIGTERM');
      const timer = new AbortController();
      const late = sleep(limitMs, 'late', { signal: timer.signal }).catch(() => 'ended');
      if ((await Promise.race([exited, late])) === 'late') {
        child.kill('SIGKILL');
        await exited;
        throw new Error(`${options.name} did not end within ${limitMs} ms of SIGTERM; see ${options.logFile}`);
      }
      timer.abort();
      return child.exitCode;
    },
  };
}
