import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Test } from 'tap';
import { freePort } from '../../scripts/free-port.ts';
import { silentLogger } from '../../src/core/logger.ts';
import type { Database } from '../../src/postgres/database.ts';
import { findEmbeddedConnection } from '../../src/postgres/embedded/server.ts';
import { createDatabase } from '../../src/postgres/pool.ts';
import { databaseDefaults } from '../helpers/defaults.ts';
import { root, temporaryFolder } from './production-tree.ts';

export type Row = Record<string, unknown>;

export interface ExampleOptions {
  /** Texts of the example that stand for a server or a password that is another one here. */
  replace?: ReadonlyArray<readonly [text: string | RegExp, by: string]>;
  /** Connection string. Default: the embedded server in the example's folder. */
  database?: string;
}

const PATIENCE_MS = 90_000;

/**
 * An example of examples/ as a person finds it, in a folder of its own: the commands and queries are those that stand in
 * its README, and run in their order. Only what cannot be the same here is replaced: the port, and what `replace` says.
 */
export class Example {
  readonly folder: string;
  readonly commands: string[];
  readonly queries: string[];
  readonly #t: Test;
  readonly port: number;
  readonly #connectionString: string | undefined;
  #database: Database | undefined;
  #begun: Process[] = [];

  static async open(t: Test, name: string, { replace = [], database }: ExampleOptions = {}): Promise<Example> {
    const folder = temporaryFolder(t, 'example');
    cpSync(join(root, 'examples', name), folder, { recursive: true });
    const port = await freePort();
    for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
      const path = join(folder, file);
      if (!statSync(path).isFile()) continue;
      const all = [['8080', String(port)] as const, ...replace];
      writeFileSync(
        path,
        all.reduce((text, [from, to]) => text.replaceAll(from, to), readFileSync(path, 'utf8')),
      );
    }
    return new Example(t, folder, port, database);
  }

  private constructor(t: Test, folder: string, port: number, connectionString: string | undefined) {
    this.#t = t;
    this.folder = folder;
    this.port = port;
    this.#connectionString = connectionString;
    const lines = readFileSync(join(folder, 'README.md'), 'utf8').split('\n');
    const typed = lines.filter((line) => line.startsWith('    ')).map((line) => line.trim());
    this.commands = typed.filter((line) => /\bnpx vedette\b/.test(line) && !line.startsWith('psql '));
    this.queries = typed.flatMap((line) => /^psql .* -c "(.*)"$/.exec(line)?.[1] ?? []);
    t.teardown(() => this.#close());
  }

  /** Types every command of the README; answers what those printed that end by themselves. */
  async runAll(): Promise<string[]> {
    const printed: string[] = [];
    for (const command of this.commands) {
      const process = this.start(command);
      if (/npx vedette (serve|process)\b/.test(command)) {
        if (this.#begun.length === 1) await this.#untilReady(process);
      } else printed.push(await process.finished());
    }
    return printed;
  }

  /** Begins one command in a shell. */
  start(command: string): Process {
    const begun = new Process(command, this.folder, this.port);
    this.#begun.push(begun);
    return begun;
  }

  /** Asks a query of the README until the rows are enough. */
  async rows(isEnough: (rows: Row[]) => boolean, query = this.queries[0]): Promise<Row[]> {
    if (query === undefined) throw new Error('The README has no query');
    let last: unknown;
    for (const end = Date.now() + PATIENCE_MS; Date.now() < end; await delay(200)) {
      try {
        const { rows } = await (await this.#connected()).query<Row>(query);
        if (isEnough(rows)) return rows;
        last = rows;
      } catch (error) {
        last = error; // The server starts, or the tables are still made.
      }
    }
    for (const process of this.#begun) this.#t.comment(process.describe());
    throw new Error(`${query}: not enough came`, { cause: last });
  }

  async #connected(): Promise<Database> {
    if (this.#database) return this.#database;
    const found = this.#connectionString ?? (await findEmbeddedConnection(join(this.folder, 'data')));
    if (!found) throw new Error('The embedded server does not run yet');
    this.#database = await createDatabase({
      ...databaseDefaults,
      connectionString: found,
      logger: silentLogger,
      poolSize: 1,
    });
    return this.#database;
  }

  async #untilReady(process: Process): Promise<void> {
    for (const end = Date.now() + PATIENCE_MS; Date.now() < end; await delay(100)) {
      const response = await fetch(`http://127.0.0.1:${this.port}/health/ready`).catch(() => null);
      if (response?.ok) return;
      if (process.hasEnded()) break;
    }
    throw new Error(`It did not get ready: ${process.describe()}`);
  }

  async #close(): Promise<void> {
    await this.#database?.close();
    // The one that began first has the database.
    for (const process of this.#begun.reverse()) await process.stop();
  }
}

/** A shell with what it began, all of it ended by the number of its group. */
class Process {
  readonly #command: string;
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  #output = '';

  constructor(command: string, folder: string, port: number) {
    this.#command = command;
    const { PATH = '', HOME = '' } = process.env;
    this.#child = spawn('sh', ['-c', command], {
      cwd: folder,
      detached: true,
      env: { PATH: `${programs(folder)}${delimiter}${PATH}`, HOME, PORT: String(port) },
    });
    this.#closed = once(this.#child, 'close');
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text) => {
        this.#output += text;
      });
    }
  }

  hasEnded = (): boolean => this.#child.exitCode !== null || this.#child.signalCode !== null;

  /** What it printed; throws when it did not end well. */
  async finished(): Promise<string> {
    await Promise.race([this.#closed, delay(PATIENCE_MS, undefined, { ref: false })]);
    if (this.#child.exitCode !== 0) throw new Error(`It did not end well: ${this.describe()}`);
    return this.#output;
  }

  async stop(): Promise<void> {
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      if (this.hasEnded()) return;
      process.kill(-(this.#child.pid as number), signal);
      await Promise.race([this.#closed, delay(15_000, undefined, { ref: false })]);
    }
  }

  describe(): string {
    return `${this.#command}\n${this.#output}\n(exit code ${this.#child.exitCode})`;
  }
}

/** `npx vedette` outside the checkout would look for it in the registry; here it is this one. */
function programs(folder: string): string {
  const bin = join(folder, '.bin');
  const npx = join(bin, 'npx');
  if (!existsSync(npx)) {
    mkdirSync(bin);
    writeFileSync(npx, `#!/bin/sh\nshift\nexec "${process.execPath}" "${join(root, 'bin/vedette.js')}" "$@"\n`);
    chmodSync(npx, 0o755);
  }
  return bin;
}
