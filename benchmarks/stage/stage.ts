// What benchmarks of whole processes have in common: options, places, and an end that leaves nothing behind.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Lifecycle } from '../../src/core/lifecycle.ts';
import { endWithThisProcess } from '../../test/faults/last-resort.ts';
import { createChain } from '../../test/helpers/certificates.ts';

export interface Options {
  /** Names of scenarios; null for all. */
  only: readonly string[] | null;
  /** Length of one measured window. */
  seconds: number;
  /** Instead of the numbers of the scenarios, where a benchmark takes it; null for those. */
  jobs: number | null;
  /** The Node that runs Vedette and the plain prober. */
  node: string;
}

/** One run of a benchmark. */
export interface Stage {
  readonly options: Options;
  /** Aborted by Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal;
  /** What it defers is undone in reverse order, however the run ends. */
  readonly lifecycle: Lifecycle;
  wait(ms: number): Promise<void>;
  /** Tells people how far it is, on stderr. */
  say(text: string): void;
}

/** Many jobs on one loopback address would run out of ports. */
export const ADDRESSES: readonly string[] = Array.from(
  { length: 32 },
  (_, index) => `127.0.${1 + (index >> 3)}.${1 + (index % 8)}`,
);

export function addressOf(index: number): string {
  return ADDRESSES[index % ADDRESSES.length];
}

/** Runs a benchmark with the options of the command line. The exit code is 130 when it was interrupted. */
export async function onStage(play: (stage: Stage) => Promise<void>): Promise<void> {
  const abort = new AbortController();
  const { signal } = abort;
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => abort.abort());
  const lifecycle = new Lifecycle();
  const wait = (ms: number) => sleep(ms, undefined, { signal });
  const say = (text: string) => console.error(text);
  try {
    await play({ options: readOptions(), signal, lifecycle, wait, say });
  } catch (error) {
    if (!signal.aborted) throw error;
    process.exitCode = 130;
  } finally {
    await lifecycle.close();
  }
}

/** Runs a part of a benchmark whose resources end with it. */
export async function inScene<T>(stage: Stage, play: (scene: Stage) => Promise<T>): Promise<T> {
  const lifecycle = new Lifecycle();
  // Closing twice is harmless; the stage closes what an error left open.
  stage.lifecycle.defer(() => lifecycle.close());
  try {
    return await play({ ...stage, lifecycle });
  } finally {
    await lifecycle.close();
  }
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      seconds: { type: 'string', default: '30' },
      jobs: { type: 'string' },
      node: { type: 'string', default: process.execPath },
    },
  });
  const seconds = Number(values.seconds);
  if (!(seconds >= 1)) throw new Error(`--seconds ${values.seconds}: a number of at least 1 is needed`);
  const jobs = values.jobs === undefined ? null : Number(values.jobs);
  if (jobs !== null && !(Number.isInteger(jobs) && jobs >= 100))
    throw new Error(`--jobs ${values.jobs}: a whole number of at least 100 is needed`);
  return { only: values.only?.split(',') ?? null, seconds, jobs, node: values.node };
}

/** Those of `scenarios` that `--only` names; throws when it names another. */
export function chosen<S extends { name: string }>(scenarios: readonly S[], { only }: Options): S[] {
  const unknown = only?.filter((name) => !scenarios.some((scenario) => scenario.name === name)) ?? [];
  if (unknown.length > 0) {
    throw new Error(`--only ${unknown.join(',')}: there are ${scenarios.map(({ name }) => name).join(', ')}`);
  }
  return scenarios.filter(({ name }) => only === null || only.includes(name));
}

/** Certificates (P-256) for all addresses, from a root over a middle one, made by openssl. */
export async function createCertificates({ lifecycle }: Stage): Promise<{ ca: string; cert: string; key: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'vedette-benchmark-'));
  lifecycle.defer(() => rm(folder, { recursive: true, force: true }));
  const names = ADDRESSES.map((address) => `IP:${address}`).join();
  // The folder is one of tap where tests make certificates.
  const at = { testdir: () => folder } as unknown as Parameters<typeof createChain>[0];
  const { anchor, middle, leaf, key } = await createChain(at, { leafDays: 90, middleDays: 90, names });
  return { ca: anchor, cert: leaf + middle, key };
}

/** A program of this folder in a process of its own, which ends when it is disconnected. */
export class Part {
  readonly #child: ChildProcess;

  constructor({ lifecycle }: Stage, file: string, node = process.execPath) {
    this.#child = fork(fileURLToPath(new URL(file, import.meta.url)), { execPath: node, execArgv: ['--import=tsx'] });
    const release = endWithThisProcess(this.#child);
    this.#child.once('exit', release);
    lifecycle.defer(async () => {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
      const ended = once(this.#child, 'exit');
      if (this.#child.connected) this.#child.disconnect();
      await ended;
    });
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  /** Sends an order and returns the reply to it. */
  async ask<Reply>(order: object): Promise<Reply> {
    const ended = new AbortController();
    const onExit = () => ended.abort(new Error(`Process ${this.pid} ended before it replied`));
    this.#child.once('exit', onExit);
    try {
      const reply = once(this.#child, 'message', { signal: ended.signal });
      this.#child.send(order);
      const [value] = (await reply) as [Reply];
      return value;
    } finally {
      this.#child.off('exit', onExit);
    }
  }
}
