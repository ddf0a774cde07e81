import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

const root = join(import.meta.dirname, '../..');
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
/** A process that ran this long may be started again soon. */
const STABLE_MS = 30_000;
/** More than Vedette takes to end in order. */
const STOP_MS = 12_000;

export interface SupervisedOptions {
  name: string;
  /** After `vedette serve`. */
  flags: readonly string[];
  env: Readonly<Record<string, string | undefined>>;
  /** Of its probes. */
  port: number;
  /** A line that it wrote, or that is said about it. */
  onLine(name: string, line: string): void;
}

/** One Vedette process that is started again when it ends by itself, until `stop`. */
export class Supervised {
  readonly options: SupervisedOptions;
  #child: ChildProcess | undefined;
  #waitMs = FIRST_WAIT_MS;
  readonly #stopping = new AbortController();

  constructor(options: SupervisedOptions) {
    this.options = options;
    this.#start();
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  async isReady(): Promise<boolean> {
    const url = `http://127.0.0.1:${this.options.port}/health/ready`;
    return fetch(url, { signal: AbortSignal.timeout(3_000) }).then(
      (answer) => answer.ok,
      () => false,
    );
  }

  /** SIGTERM, and after some time no mercy. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    const child = this.#child;
    if (!child || hasEnded(child)) return;
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await exited;
    clearTimeout(timer);
  }

  kill(): void {
    this.#stopping.abort();
    this.#child?.kill('SIGKILL');
  }

  #start(): void {
    const { name, flags, env, onLine } = this.options;
    const startedAt = performance.now();
    const child = spawn(process.execPath, [join(root, 'scripts/start.mjs'), ...flags], {
      cwd: root,
      // A group of its own: Ctrl-C in the terminal is for the one who ends them in order. With npm's variable, the
      // process ends by itself when its parent is gone.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...env, npm_lifecycle_event: 'local' },
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => onLine(name, line));
    }
    child.on('error', (error) => onLine(name, error.message));
    child.once('exit', (code, signal) => {
      if (!this.#stopping.signal.aborted) void this.#startAgain(signal ?? `exit code ${code}`, startedAt);
    });
  }

  async #startAgain(how: string, startedAt: number): Promise<void> {
    if (performance.now() - startedAt > STABLE_MS) this.#waitMs = FIRST_WAIT_MS;
    const waitMs = this.#waitMs;
    this.#waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
    this.options.onLine(this.options.name, `ENDED (${how}), is started again in ${waitMs / 1000} s`);
    await delay(waitMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
    if (this.#stopping.signal.aborted) return;
    this.#start();
    this.options.onLine(this.options.name, `started again, pid ${this.pid}`);
  }
}

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;
