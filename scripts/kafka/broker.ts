import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freeze } from '../freeze.ts';
import { type PropertiesOptions, type SaslUser, serverProperties } from './server-properties.ts';

export interface BrokerOptions extends Omit<PropertiesOptions, 'dataFolder'> {
  /** Holds data, log, settings and pid of this member. */
  folder: string;
  jars: string;
  heapMb: number;
  /** Ends with the process that started it, even if that one is killed. */
  tied: boolean;
}

const CLUSTER_ID = 'VmVkZXR0ZURldktmazAwMQ';
const READY_MS = 90_000;

/** One member of the cluster: a JVM, started and ended by its own id. */
export class Broker {
  readonly options: BrokerOptions;
  #pid: number | undefined;
  #watch: ChildProcess | undefined;

  constructor(options: BrokerOptions) {
    this.options = options;
    this.#pid = readPid(this.#pidFile);
  }

  get address(): string {
    return `127.0.0.1:${this.options.ports.plaintext}`;
  }

  /** Undefined while it does not run. */
  get pid(): number | undefined {
    if (this.#pid !== undefined && !isAlive(this.#pid)) this.#pid = undefined;
    return this.#pid;
  }

  get logFile(): string {
    return join(this.options.folder, 'broker.log');
  }

  get #pidFile(): string {
    return join(this.options.folder, 'broker.pid');
  }

  /** Starts the process; `ready` waits until it serves. */
  launch(): void {
    if (this.pid !== undefined) return;
    const { folder } = this.options;
    mkdirSync(folder, { recursive: true });
    const settings = join(folder, 'server.properties');
    writeFileSync(settings, serverProperties({ ...this.options, dataFolder: join(folder, 'log') }), { mode: 0o600 });
    if (!existsSync(join(folder, 'log', 'meta.properties'))) this.#format(settings);
    writeFileSync(this.logFile, '');
    const args = this.#java(['kafka.Kafka', settings], this.options.heapMb, 'info');
    this.#pid = this.options.tied ? this.#spawnTied(args) : this.#spawnDetached(args);
    writeFileSync(this.#pidFile, String(this.#pid));
  }

  async ready(): Promise<void> {
    const end = Date.now() + READY_MS;
    while (!(this.#logSays('Kafka Server started') && (await answers(this.options.ports.plaintext)))) {
      if (this.pid === undefined) throw new Error(`Kafka ended while starting:\n${this.#logTail()}`);
      if (Date.now() > end) throw new Error(`Kafka is not ready after ${READY_MS / 1000} s:\n${this.#logTail()}`);
      await delay(50);
    }
  }

  /** Ends it in order; after 20 s without mercy. */
  async stop(): Promise<void> {
    const { pid } = this;
    if (pid !== undefined) {
      process.kill(pid, 'SIGCONT');
      process.kill(pid, 'SIGTERM');
      const isGone = await this.#gone(20_000);
      if (!isGone) this.kill();
      await this.#gone(5_000);
    }
    this.#forget();
  }

  kill(): void {
    if (this.pid !== undefined) process.kill(this.pid, 'SIGKILL');
  }

  /** Stops the process in its tracks; its sockets stay open and silent. Returns when no thread of it runs any more. */
  pause(): void {
    if (this.pid !== undefined) freeze(this.pid);
  }

  resume(): void {
    if (this.pid !== undefined) process.kill(this.pid, 'SIGCONT');
  }

  /** Runs one of Kafka's own tools against this broker and returns its output. */
  tool(mainClass: string, args: readonly string[]): string {
    const run = spawnSync('java', this.#java([mainClass, ...args], 128, 'error'), { encoding: 'utf8' });
    if (run.status !== 0) throw new Error(`${mainClass} failed: ${run.stdout}${run.stderr}`);
    return run.stdout;
  }

  async #gone(timeoutMs: number): Promise<boolean> {
    const end = Date.now() + timeoutMs;
    while (this.pid !== undefined) {
      if (Date.now() > end) return false;
      await delay(50);
    }
    return true;
  }

  #forget(): void {
    this.#watch?.stdin?.end();
    this.#watch = undefined;
    this.#pid = undefined;
    rmSync(this.#pidFile, { force: true });
  }

  #format(settings: string): void {
    const users: SaslUser[] = this.options.certificates && this.options.sasl ? [this.options.sasl] : [];
    const scram = users.flatMap(({ user, password }) =>
      ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
        '--add-scram',
        `${mechanism}=[name=${user},password=${password}]`,
      ]),
    );
    this.tool('kafka.tools.StorageTool', ['format', '-t', CLUSTER_ID, '-c', settings, ...scram]);
  }

  #java(args: readonly string[], heapMb: number, level: string): string[] {
    const log = 'org.slf4j.simpleLogger';
    return [
      `-Xmx${heapMb}m`,
      '-XX:+UseSerialGC',
      ...(this.options.tied ? ['-XX:TieredStopAtLevel=1'] : []),
      `-D${log}.showDateTime=true`,
      `-D${log}.dateTimeFormat=HH:mm:ss.SSS`,
      `-D${log}.defaultLogLevel=${level}`,
      '-cp',
      join(this.options.jars, '*'),
      ...args,
    ];
  }

  #spawnDetached(args: string[]): number {
    const log = openSync(this.logFile, 'a');
    try {
      const child = spawn('java', args, { detached: true, stdio: ['ignore', log, log] });
      child.unref();
      if (child.pid === undefined) throw new Error('java could not be started');
      return child.pid;
    } finally {
      closeSync(log);
    }
  }

  /** A shell holds the other end of a pipe: when we are gone, however that came, it ends the broker. */
  #spawnTied(args: string[]): number {
    const script =
      'log=$1; shift; java "$@" >>"$log" 2>&1 </dev/null & echo $! >&3; exec 3>&-; cat; kill -KILL $!; wait';
    const child = spawn('sh', ['-c', script, 'sh', this.logFile, ...args], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore', openSync(join(this.options.folder, 'child.pid'), 'w+')],
    });
    child.unref();
    (child.stdin as unknown as { unref(): void }).unref();
    this.#watch = child;
    const end = Date.now() + 5_000;
    while (Date.now() < end) {
      const pid = readPid(join(this.options.folder, 'child.pid'));
      if (pid !== undefined) return pid;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
    throw new Error('The shell that watches over Kafka did not start');
  }

  #logSays(text: string): boolean {
    return readFileSync(this.logFile, 'utf8').includes(text);
  }

  #logTail(): string {
    return readFileSync(this.logFile, 'utf8').split('\n').slice(-25).join('\n');
  }
}

function readPid(file: string): number | undefined {
  if (!existsSync(file)) return undefined;
  const pid = Number.parseInt(readFileSync(file, 'utf8'), 10);
  return pid > 1 ? pid : undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A killed child stays in the table until its parent has read its end: it does not run any more.
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(socket.destroy() !== undefined));
    socket.once('error', () => resolve(false));
  });
}
